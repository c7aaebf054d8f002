//! What a site is like, and its directors' configuration.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::addresses::{self, Network, net};
use super::{INTERFACE, is_v6};
use crate::failover::Family;

/// Where the web servers and the services listen.
pub(super) const PORT: u16 = 80;
/// The VRID of the first service.
const VRID: u8 = 51;

/// How packets get from the director to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a site must be built for each")]
pub enum Method {
    /// With the server's hardware address; the answer goes straight to the client.
    Direct,
    /// With the server's address, there and back.
    Nat,
    /// In another packet; the answer goes straight to the client.
    Tunnel,
}

/// How the directors check the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "what a site's server can answer")]
pub enum Check {
    /// The page `/health` of [`WebServer`](crate::WebServer).
    Http,
    /// Not at all: a server is always up.
    None,
    /// A connection.
    Tcp,
}

/// What a site is like. The default is two web servers checked by HTTP each half second, one service, `rr`, and an
/// advertisement each 200 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    pub(super) method: Method,
    pub(super) family: Family,
    pub(super) servers: u8,
    pub(super) services: u8,
    advert_interval: Duration,
    check: Check,
    check_interval: Duration,
    scheduler: String,
    router_keys: String,
    ipvs_keys: String,
    service_keys: String,
}

impl SiteConfig {
    /// The default site.
    #[must_use]
    pub fn new(method: Method, family: Family) -> Self {
        Self {
            method,
            family,
            servers: 2,
            services: 1,
            advert_interval: Duration::from_millis(200),
            check: Check::Http,
            check_interval: Duration::from_millis(500),
            scheduler: "rr".to_owned(),
            router_keys: String::new(),
            ipvs_keys: String::new(),
            service_keys: String::new(),
        }
    }

    /// So many web servers, at most 80.
    #[must_use]
    pub fn servers(mut self, servers: u8) -> Self {
        self.servers = servers.min(80);
        self
    }

    /// Two services with an address each: each director is master of one, and backup of the other. Not for NAT, where the
    /// servers have one way back.
    #[must_use]
    pub fn dual_master(mut self) -> Self {
        self.services = 2;
        self
    }

    /// How often a master advertises.
    #[must_use]
    pub fn advert_interval(mut self, interval: Duration) -> Self {
        self.advert_interval = interval;
        self
    }

    /// How the servers are checked.
    #[must_use]
    pub fn check(mut self, check: Check, interval: Duration) -> Self {
        self.check = check;
        self.check_interval = interval;
        self
    }

    /// The scheduler of the services.
    #[must_use]
    pub fn scheduler(mut self, scheduler: &str) -> Self {
        scheduler.clone_into(&mut self.scheduler);
        self
    }

    /// More lines for each `[[virtual_router]]` of the directors' configuration.
    #[must_use]
    pub fn router_keys(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.router_keys);
        self
    }

    /// Lines for the section `[ipvs]` of the directors' configuration.
    #[must_use]
    pub fn ipvs_keys(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.ipvs_keys);
        self
    }

    /// More lines for each `[[virtual_service]]` of the directors' configuration.
    #[must_use]
    pub fn service_keys(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.service_keys);
        self
    }

    /// How many services there are.
    #[must_use]
    pub fn services(&self) -> u8 {
        self.services
    }

    /// Where service `number` is.
    #[must_use]
    pub fn service(&self, number: u8) -> SocketAddr {
        SocketAddr::new(self.service_net(number).addr(), PORT)
    }

    /// Where web server `number` is.
    #[must_use]
    pub fn server(&self, number: u8) -> SocketAddr {
        let address = net(self.family, Network::Inside, addresses::server(number)).addr();
        SocketAddr::new(address, PORT)
    }

    /// What web server `number` is called, which is what it answers.
    #[must_use]
    pub fn server_name(number: u8) -> String {
        format!("web{number}")
    }

    pub(super) fn service_net(&self, number: u8) -> IpNet {
        let network = match self.method {
            Method::Direct | Method::Tunnel => Network::Inside,
            Method::Nat => Network::Outside,
        };
        net(self.family, network, addresses::service(number))
    }

    pub(super) fn gateway(&self) -> IpNet {
        net(self.family, Network::Inside, addresses::GATEWAY)
    }

    /// The addresses that move with service `number`.
    pub(super) fn virtual_addresses(&self, number: u8) -> Vec<IpNet> {
        let mut all = Vec::new();
        if is_v6(self.family) {
            // RFC 9568 §5.2.9: the first address is link-local.
            all.push(net(self.family, Network::Link, addresses::service(number)));
        }
        all.push(self.service_net(number));
        if self.method == Method::Nat {
            all.push(self.gateway());
        }
        all
    }

    /// The configuration of director `number`, without its section `[director]`.
    #[must_use]
    pub fn director_toml(&self, number: u8) -> String {
        let mut text = String::new();
        for service in 1..=self.services {
            self.write_router(&mut text, number, service);
        }
        if !self.ipvs_keys.is_empty() {
            // Writing to a String cannot fail, here and below.
            let _written = writeln!(text, "[ipvs]\n{}\n", self.ipvs_keys.trim_end());
        }
        for service in 1..=self.services {
            self.write_service(&mut text, service);
        }
        text
    }

    fn write_router(&self, text: &mut String, number: u8, service: u8) {
        let addresses: Vec<_> = self
            .virtual_addresses(service)
            .iter()
            .map(|each| format!("\"{each}\""))
            .collect();
        let _written = writeln!(
            text,
            "[[virtual_router]]\nname = \"site{service}\"\ninterface = \"{INTERFACE}\"\nvrid = {}\n\
             priority = {}\nadvert_interval = \"{}ms\"\naddresses = [{}]\n{}",
            VRID.saturating_add(service.saturating_sub(1)),
            if number == service { 150 } else { 100 },
            self.advert_interval.as_millis(),
            addresses.join(", "),
            self.router_keys
        );
    }

    fn write_service(&self, text: &mut String, service: u8) {
        let forward = match self.method {
            Method::Direct => "direct",
            Method::Nat => "nat",
            Method::Tunnel => "tunnel",
        };
        let scheduler = match self.scheduler.starts_with('{') {
            true => self.scheduler.clone(),
            false => format!("\"{}\"", self.scheduler),
        };
        let _written = write!(
            text,
            "[[virtual_service]]\nname = \"web{service}\"\naddress = \"{}\"\nprotocol = \"tcp\"\n\
             scheduler = {scheduler}\nforward = \"{forward}\"\n{}",
            self.service(service),
            self.service_keys
        );
        let kind = match self.check {
            Check::Http => Some("type = \"http\"\npath = \"/health\"\n"),
            Check::None => None,
            Check::Tcp => Some("type = \"tcp\"\n"),
        };
        if let Some(kind) = kind {
            let interval = self.check_interval.as_millis();
            let _written = writeln!(
                text,
                "\n[virtual_service.check]\n{kind}interval = \"{interval}ms\"\ntimeout = \"{interval}ms\"\nrise = 2\nfall = 2"
            );
        }
        for server in 1..=self.servers {
            let _written = writeln!(
                text,
                "\n[[virtual_service.server]]\nname = \"{}\"\naddress = \"{}\"",
                Self::server_name(server),
                self.server(server)
            );
        }
        text.push('\n');
    }

    /// The address of a host of the servers' network.
    pub(super) fn inside(&self, last: u8) -> IpNet {
        net(self.family, Network::Inside, last)
    }

    /// The address of a host of the client's network.
    pub(super) fn outside(&self, last: u8) -> IpNet {
        net(self.family, Network::Outside, last)
    }

    /// The addresses of the services.
    pub(super) fn service_addresses(&self) -> impl Iterator<Item = IpAddr> {
        (1..=self.services).map(|number| self.service(number).ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_its_configuration() {
        let config = SiteConfig::new(Method::Direct, Family::Ipv4).servers(1);
        assert_eq!(
            config.director_toml(2),
            "[[virtual_router]]\nname = \"site1\"\ninterface = \"eth0\"\nvrid = 51\npriority = 100\n\
             advert_interval = \"200ms\"\naddresses = [\"10.77.0.101/24\"]\n\n\
             [[virtual_service]]\nname = \"web1\"\naddress = \"10.77.0.101:80\"\nprotocol = \"tcp\"\nscheduler = \"rr\"\n\
             forward = \"direct\"\n\n[virtual_service.check]\ntype = \"http\"\npath = \"/health\"\ninterval = \"500ms\"\n\
             timeout = \"500ms\"\nrise = 2\nfall = 2\n\n\
             [[virtual_service.server]]\nname = \"web1\"\naddress = \"10.77.0.11:80\"\n\n"
        );
    }

    #[test]
    fn the_way_back_of_nat_moves_with_the_service() {
        let config = SiteConfig::new(Method::Nat, Family::Ipv6);
        let text = config.director_toml(1);
        let addresses = "addresses = [\"fe80::77:65/64\", \"fd99::65/64\", \"fd77::fe/64\"]";
        assert!(
            text.contains(addresses) && text.contains("address = \"[fd99::65]:80\""),
            "{text}"
        );
    }

    #[test]
    fn each_director_is_master_of_one_service() {
        let config = SiteConfig::new(Method::Direct, Family::Ipv4)
            .dual_master()
            .scheduler("{ name = \"mh\" }")
            .ipvs_keys("reconcile_interval = \"1s\"");
        let priorities = |number| {
            let text = config.director_toml(number);
            assert!(
                text.contains("[ipvs]\nreconcile_interval = \"1s\"\n\n[[virtual_service]]"),
                "{text}"
            );
            assert!(text.contains("scheduler = { name = \"mh\" }\n"), "{text}");
            let lines = text.lines().map(str::to_owned);
            lines
                .filter(|line| line.starts_with("priority"))
                .collect::<Vec<_>>()
        };
        assert_eq!(priorities(1), ["priority = 150", "priority = 100"]);
        assert_eq!(priorities(2), ["priority = 100", "priority = 150"]);
    }
}

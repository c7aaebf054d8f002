//! The services and destinations, in everybody's language.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

use locum_ipvs::{Destination, Scheduler, Service, ServiceKey, Table, TableError};

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const FIRST_PORT: u16 = 10_000;

/// So many services with so many destinations each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    services: u16,
    pub(super) destinations: u8,
}

impl Rules {
    pub(super) const fn new(services: u16, destinations: u8) -> Self {
        Self {
            services,
            destinations,
        }
    }

    /// For this program.
    pub(super) fn arguments(self) -> [String; 2] {
        [
            format!("--services={}", self.services),
            format!("--destinations={}", self.destinations),
        ]
    }

    /// Services and destinations together.
    pub(super) fn entries(self) -> usize {
        usize::from(self.services) * (1 + usize::from(self.destinations))
    }

    fn ports(self) -> impl Iterator<Item = u16> {
        (0..self.services).map(|number| FIRST_PORT.saturating_add(number))
    }

    fn servers(self) -> impl Iterator<Item = Ipv4Addr> {
        (1..=self.destinations).map(|number| Ipv4Addr::new(10, 0, 0, number))
    }

    /// The service that comes last in every language here.
    pub(super) fn last(self) -> ServiceKey {
        key(self.ports().last().unwrap_or(FIRST_PORT))
    }

    /// For our client.
    pub(super) fn table(self) -> Result<Table, TableError> {
        let mut table = Table::new();
        for port in self.ports() {
            let servers = self
                .servers()
                .map(|server| Destination::direct(server.into()));
            table.insert(Service::new(key(port), Scheduler::WLC), servers)?;
        }
        Ok(table)
    }

    /// For `ipvsadm -R`.
    pub(super) fn ipvsadm(self) -> String {
        let mut text = String::new();
        for port in self.ports() {
            let _ = writeln!(text, "-A -t {VIRTUAL}:{port} -s wlc");
            for server in self.servers() {
                let _ = writeln!(text, "-a -t {VIRTUAL}:{port} -r {server}:{port} -g -w 1");
            }
        }
        text
    }

    /// For director: without checks, and in use at once.
    pub(super) fn director(self) -> String {
        let mut text =
            String::from("[director]\nname = \"lab\"\ncontrol_socket = \"/run/director.sock\"\n\n");
        for port in self.ports() {
            let _ = writeln!(
                text,
                "[[virtual_service]]\nname = \"s{port}\"\naddress = \"{VIRTUAL}:{port}\"\nprotocol = \"tcp\"\n\
                 scheduler = \"wlc\"\nforward = \"direct\"\ninitial = \"up\"\nserver = ["
            );
            for server in self.servers() {
                let _ = writeln!(text, "  {{ name = \"{server}\", address = \"{server}\" }},");
            }
            text.push_str("]\n\n");
        }
        text
    }

    /// For keepalived: without checkers, so that all servers are in at once.
    pub(super) fn keepalived(self) -> String {
        let mut text = String::from("global_defs {\n  router_id lab\n}\n");
        for port in self.ports() {
            let _ = writeln!(
                text,
                "virtual_server {VIRTUAL} {port} {{\n  lvs_sched wlc\n  lvs_method DR\n  protocol TCP"
            );
            for server in self.servers() {
                let _ = writeln!(text, "  real_server {server} {port} {{\n    weight 1\n  }}");
            }
            text.push_str("}\n");
        }
        text
    }
}

fn key(port: u16) -> ServiceKey {
    ServiceKey::tcp(SocketAddr::from((VIRTUAL, port)))
}

//! Sets the hosts up: addresses, routes, and what a kernel must be told for each method.

use ipnet::IpNet;
use locum_ipvs::{Client, Limits, Op, Role};

use super::addresses::{self, CLIENT};
use super::{INTERFACE, Method, SiteConfig, is_v6};
use crate::{Host, LabError, Lan};

/// The device that takes tunnelled packets out of their packets.
const TUNNEL: &str = "lvs0";

pub(super) fn client(lan: &Lan, config: &SiteConfig) -> Result<Host, LabError> {
    let host = Host::new("client")?;
    let address = match config.method {
        Method::Direct | Method::Tunnel => config.inside(CLIENT),
        Method::Nat => config.outside(CLIENT),
    };
    lan.attach(&host, INTERFACE, &[address])?;
    Ok(host)
}

pub(super) fn director(lan: &Lan, config: &SiteConfig, number: u8) -> Result<Host, LabError> {
    let host = Host::new(&format!("director{number}"))?;
    let last = addresses::director(number);
    let mut own = vec![config.inside(last)];
    if config.method == Method::Nat {
        own.push(config.outside(last));
        for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            host.sysctl(key, "1")?;
        }
        // Its two networks are on one wire here: it would tell the servers of a shorter way to the client.
        host.sysctl("net/ipv4/conf/all/send_redirects", "0")?;
        host.sysctl("net/ipv4/conf/default/send_redirects", "0")?;
    }
    lan.attach(&host, INTERFACE, &own)?;
    Ok(host)
}

pub(super) fn server(lan: &Lan, config: &SiteConfig, number: u8) -> Result<Host, LabError> {
    let host = Host::new(&SiteConfig::server_name(number))?;
    for (key, value) in [
        // For its own addresses only, and only with them: the virtual ones are the directors'. (IPv6 is so anyway.)
        ("net/ipv4/conf/all/arp_ignore", "1"),
        ("net/ipv4/conf/all/arp_announce", "2"),
        // What comes out of a tunnel would seem to come from the wrong side.
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
        ("net/ipv4/conf/all/accept_redirects", "0"),
        ("net/ipv4/conf/default/accept_redirects", "0"),
        ("net/ipv6/conf/all/accept_redirects", "0"),
        ("net/ipv6/conf/default/accept_redirects", "0"),
    ] {
        host.sysctl(key, value)?;
    }
    let own = config.inside(addresses::server(number));
    lan.attach(&host, INTERFACE, &[own])?;
    match config.method {
        Method::Direct => own_services(&host, config, "lo")?,
        Method::Nat => {
            let family = if is_v6(config.family) { "-6" } else { "-4" };
            host.ip(&format!(
                "{family} route add default via {}",
                config.gateway().addr()
            ))?;
        }
        Method::Tunnel => {
            let kind = if is_v6(config.family) {
                "ip6tnl mode ip6ip6"
            } else {
                "ipip"
            };
            host.ip(&format!(
                "link add {TUNNEL} type {kind} local {}",
                own.addr()
            ))?;
            host.ip(&format!("link set {TUNNEL} up"))?;
            own_services(&host, config, TUNNEL)?;
        }
    }
    Ok(host)
}

fn own_services(host: &Host, config: &SiteConfig, device: &str) -> Result<(), LabError> {
    for address in config.service_addresses() {
        host.ip(&format!(
            "address add {} dev {device}",
            IpNet::from(address)
        ))?;
    }
    Ok(())
}

/// Takes away what a director leaves behind that cannot do so itself.
pub(super) fn clear(host: &Host, config: &SiteConfig) -> Result<(), LabError> {
    let ours: Vec<_> = (1..=config.services)
        .flat_map(|number| config.virtual_addresses(number))
        .map(|net| net.addr())
        .collect();
    host.remove_addresses(&ours)?;
    let mut client = host
        .run(|| Client::open(Limits::default()))
        .map_err(LabError::io("open a socket for IPVS"))?;
    client
        .apply_one(Op::Flush)
        .map_err(LabError::ipvs("empty the table of IPVS"))?;
    let running = client
        .daemons()
        .map_err(LabError::ipvs("list the daemons of IPVS"))?;
    let roles: Vec<Role> = running.iter().map(|daemon| daemon.role).collect();
    for role in roles {
        client
            .apply_one(Op::StopDaemon(role))
            .map_err(LabError::ipvs("stop a daemon of IPVS"))?;
    }
    Ok(())
}

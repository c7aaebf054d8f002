//! The machine's network settings, as far as balancing depends on them. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use locum_ipvs::{Forward, IpFamily};

use super::facts::Facts;
use super::finding::Finding;
use crate::config::Config;
use crate::machine::Machine;
use crate::site::{RealServer, Site};
use crate::sysctl::Key;

pub(super) fn check(config: &Config, facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    let mut findings = forwarding(&config.site, machine);
    let on: BTreeSet<&str> = config
        .virtual_routers
        .iter()
        .map(|one| one.router.interface())
        .collect();
    for interface in on {
        findings.extend(redirects(interface, config, machine));
        findings.extend(reverse_path(interface, &config.site, machine));
    }
    findings.extend(on_loopback(config, machine));
    findings.extend(not_local(&config.site, machine));
    findings
}

/// Those whose packets are rewritten.
fn translated(site: &Site) -> impl Iterator<Item = &RealServer> {
    let all = site.services.iter().flat_map(|service| &service.servers);
    all.filter(|server| server.forward == Forward::Masquerade)
}

fn forwarding(site: &Site, machine: &Machine) -> Vec<Finding> {
    let sorry = site.services.iter().filter_map(|service| service.sorry);
    let sorry = sorry.filter(|sorry| sorry.forward == Forward::Masquerade);
    let addresses = translated(site).map(RealServer::address);
    let families: BTreeSet<IpFamily> = addresses
        .chain(sorry.map(|sorry| sorry.address))
        .map(|address| IpFamily::from(address.ip()))
        .collect();
    let finding = |family| {
        let (key, cause) = match family {
            IpFamily::V4 => (Key::new("net/ipv4/ip_forward"), "ip-forward"),
            IpFamily::V6 => (Key::ipv6("all", "forwarding"), "ipv6-forward"),
        };
        let off = machine.number(&key) != Some(1);
        off.then(|| {
            let more = match family {
                IpFamily::V4 => "",
                IpFamily::V6 => {
                    " An interface that gets its address by router advertisement then needs accept_ra=2."
                }
            };
            Finding::error(cause, format!("{key} is off, and servers are reached by NAT"))
                .why(format!("Their answers come back through here, and are thrown away.{more}"))
                .set([(key, "1")])
        })
    };
    let missing: Vec<Finding> = families.iter().copied().filter_map(finding).collect();
    if missing.is_empty() && !families.is_empty() {
        return vec![Finding::ok(
            "ip-forward",
            "packets are forwarded, as NAT needs",
        )];
    }
    missing
}

/// With servers and virtual address on one network, the kernel tells the servers of a shorter way to the clients.
fn redirects(interface: &str, config: &Config, machine: &Machine) -> Option<Finding> {
    let networks: Vec<ipnet::IpNet> = machine
        .interfaces
        .get(interface)?
        .addresses
        .iter()
        .map(|held| held.net.trunc())
        .collect();
    let beside = translated(&config.site).find(|server| {
        let address = server.ip;
        address.is_ipv4() && networks.iter().any(|net| net.contains(&address))
    })?;
    let keys = ["all", interface].map(|place| Key::ipv4(place, "send_redirects"));
    let on: Vec<_> = keys
        .into_iter()
        .filter(|key| machine.number(key) == Some(1))
        .map(|key| (key, "0"))
        .collect();
    // Either switches it on.
    (!on.is_empty()).then(|| {
        Finding::warning(
            "send-redirects",
            format!("ICMP redirects are sent on {interface}, where {} is reached by NAT", beside.name),
        )
        .why("They tell it to answer clients past the director, and such answers are not understood.")
        .set(on)
    })
}

fn reverse_path(interface: &str, site: &Site, machine: &Machine) -> Option<Finding> {
    let strict = machine.effective(interface, "rp_filter") == Some(1);
    (strict && !site.services.is_empty()).then(|| {
        Finding::info(
            "rp-filter",
            format!("rp_filter is strict (1) on {interface}"),
        )
        .why("Clients whose packets come in here and would go back another way are not served.")
        .set([(Key::ipv4(interface, "rp_filter"), "2")])
    })
}

/// A machine that is real server and director at once.
fn on_loopback(config: &Config, machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in &config.virtual_routers {
        let on = one.router.interface();
        let here = one.router.addresses().iter().map(ipnet::IpNet::addr);
        let shared = |address: &IpAddr| {
            address.is_ipv4() && machine.places(*address).any(|(place, _)| place == "lo")
        };
        let Some(address) = here.into_iter().find(shared) else {
            continue;
        };
        let ignores = matches!(machine.effective(on, "arp_ignore"), Some(1 | 2 | 8));
        let announces = machine.effective(on, "arp_announce") >= Some(2);
        if !(ignores && announces) {
            findings.push(
                Finding::error(
                    "arp-loopback",
                    format!("{address} is on lo too, and ARP is answered for it on {on}"),
                )
                .why("This machine answers for it while another one is master.")
                .set([
                    (Key::ipv4(on, "arp_ignore"), "1"),
                    (Key::ipv4(on, "arp_announce"), "2"),
                ]),
            );
        }
    }
    findings
}

/// Direct routing reaches neighbours only.
fn not_local(site: &Site, machine: &Machine) -> Vec<Finding> {
    let networks: Vec<ipnet::IpNet> = machine
        .interfaces
        .values()
        .flat_map(|interface| &interface.addresses)
        .map(|held| held.net)
        .collect();
    let far = |server: &&RealServer| {
        let address = server.ip;
        server.forward == Forward::Direct && !networks.iter().any(|net| net.contains(&address))
    };
    let all = site.services.iter().flat_map(|service| &service.servers);
    let far: BTreeSet<&str> = all.filter(far).map(|server| &*server.name).collect();
    if far.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = far.into_iter().collect();
    vec![
        Finding::warning(
            "not-a-neighbour",
            format!("no interface is on the network of {}", names.join(", ")),
        )
        .why("Direct routing sends the packet to the server's Ethernet address: there must be no router between.")
        .cure("put an interface on its network, or use `forward = \"tunnel\"`"),
    ]
}

#[cfg(test)]
mod tests;

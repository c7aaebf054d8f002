//! Virtual routers: what they need of this machine, and who else is on their networks. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use locum_vip::wire::MacAddress;
use locum_vrrp::{Family, RouterConfig, Version};

use super::facts::{Facts, Heard, Segment};
use super::finding::Finding;
use crate::config::{Config, VirtualRouter};
use crate::machine::Interface;
use crate::sysctl::Key;

pub(super) fn check(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![capabilities(facts)];
    let mut told = BTreeSet::new();
    for VirtualRouter { name, router, .. } in &config.virtual_routers {
        findings.push(interface(name, router, facts));
        let Some(segment) = facts.segments.get(router.interface()) else {
            continue;
        };
        if told.insert(router.interface()) {
            findings.extend(unseen(router.interface(), segment));
        }
        let masters = others(name, router, segment, facts, &mut findings);
        claims(name, router, segment, &masters, &mut findings);
    }
    findings
}

fn capabilities(facts: &Facts) -> Finding {
    match &facts.missing {
        Ok(None) => Finding::ok("capabilities", "this process has the capabilities it needs"),
        Ok(Some(what)) => Finding::error("capabilities", what.clone())
            .why("A director that is run like this cannot take over an address.")
            .cure(
                "run it as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in its systemd unit",
            ),
        Err(reason) => Finding::warning("capabilities", reason.clone()),
    }
}

fn interface(name: &str, router: &RouterConfig, facts: &Facts) -> Finding {
    let on = router.interface();
    let Some(interface) = facts.machine.interfaces.get(on) else {
        return Finding::error(
            "interface-missing",
            format!("{name}: there is no interface {on}"),
        )
        .why("The virtual router stays in fault.")
        .cure("see `ip link`: create it, or correct `interface`");
    };
    if !interface.up {
        return Finding::error("interface-down", format!("{name}: {on} is down"))
            .why("The virtual router stays in fault.")
            .cure(format!("ip link set {on} up"));
    }
    if !interface.carrier {
        return Finding::error("no-carrier", format!("{name}: {on} has no carrier"))
            .why("The virtual router stays in fault.")
            .cure(format!(
                "check its cable or virtual switch: ip link show {on}"
            ));
    }
    let family = router.family();
    let disabled = Key::ipv6(on, "disable_ipv6");
    if family == Family::Ipv6 && facts.machine.number(&disabled) == Some(1) {
        return Finding::error("ipv6-disabled", format!("{name}: IPv6 is disabled on {on}"))
            .why("It can have no virtual address.")
            .set([(disabled, "0")]);
    }
    match source(router, interface) {
        Some(source) => Finding::ok("interface", format!("{name}: {on} is up and has {source}")),
        None => no_source(name, router),
    }
}

/// Whether there is an address to send from: that one.
fn source(router: &RouterConfig, interface: &Interface) -> Option<IpAddr> {
    let is_virtual = |address: IpAddr| {
        let mut all = router.addresses().iter();
        !router.election().priority().is_owner() && all.any(|net| net.addr() == address)
    };
    let mut own = interface
        .addresses
        .iter()
        .filter(|held| !held.virtual_router)
        .map(|held| held.net.addr())
        .filter(|&address| Family::of(address) == router.family() && !is_virtual(address));
    if let Some(wanted) = router.configured_source() {
        return own.find(|&address| address == wanted);
    }
    // RFC 9568 §5.1.2.1: multicast over IPv6 comes from the link-local address.
    own.find(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || !router.peers().is_empty(),
    })
}

fn no_source(name: &str, router: &RouterConfig) -> Finding {
    let on = router.interface();
    let (what, cure) = match (router.configured_source(), router.family()) {
        (Some(source), _) => (
            format!("{name}: {on} does not have the `source` address {source}"),
            format!("ip address add {source} dev {on}, or correct `source`"),
        ),
        (None, Family::Ipv4) => (
            format!("{name}: {on} has no IPv4 address of its own"),
            format!("give {on} an IPv4 address that is not one of the virtual ones"),
        ),
        (None, Family::Ipv6) => (
            format!("{name}: {on} has no link-local IPv6 address"),
            format!("see `ip -6 address show dev {on}`: is IPv6 switched off?"),
        ),
    };
    Finding::error("no-source", what)
        .why("There is nothing to send advertisements from: the virtual router stays in fault.")
        .cure(cure)
}

fn unseen(interface: &str, segment: &Segment) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(reason) = &segment.heard {
        findings.push(
            Finding::warning(
                "not-listened",
                format!("{interface}: other routers could not be listened for: {reason}"),
            )
            .cure("run the doctor as root"),
        );
    }
    if let Err(reason) = &segment.claims {
        findings.push(
            Finding::warning(
                "not-asked",
                format!("{interface}: nobody could be asked for the virtual addresses: {reason}"),
            )
            .cure("run the doctor as root"),
        );
    }
    findings
}

/// What others with the same VRID say; returns those of the same virtual router.
fn others<'f>(
    name: &str,
    router: &RouterConfig,
    segment: &'f Segment,
    facts: &Facts,
    findings: &mut Vec<Finding>,
) -> Vec<&'f Heard> {
    let on = router.interface();
    let ours: BTreeSet<IpAddr> = router.addresses().iter().map(ipnet::IpNet::addr).collect();
    let here = |address: IpAddr| facts.machine.places(address).next().is_some();
    let heard = segment.heard.iter().flatten();
    let same = heard
        .filter(|one| one.vrid == router.vrid() && one.family() == router.family())
        .filter(|one| !here(one.source));
    let mut masters = Vec::new();
    for one in same {
        let (source, vrid) = (one.source, router.vrid().get());
        if one.addresses != ours {
            findings.push(
                Finding::error(
                    "vrid-taken",
                    format!(
                        "{name}: {source} on {on} has VRID {vrid} too, for {}",
                        list(&one.addresses)
                    ),
                )
                .why("The two take each other for one virtual router, and one of them has no master.")
                .cure(
                    "give this virtual router another `vrid`, or all of its routers the same `addresses`",
                ),
            );
        } else if one.version != router.version() {
            let (theirs, ours) = (number(one.version), number(router.version()));
            findings.push(
                Finding::error(
                    "vrid-version",
                    format!("{name}: {source} on {on} speaks VRRP version {theirs}, and this router {ours}"),
                )
                .why("Neither listens to the other: both are master.")
                .cure(format!("set `version = {theirs}` here, or {ours} there")),
            );
        } else if one.authentication != router.advertisement().authentication() {
            findings.push(
                Finding::error(
                    "vrid-password",
                    format!("{name}: {source} on {on} has another authentication, or none"),
                )
                .why("Neither listens to the other: both are master.")
                .cure("make `authentication` the same in all routers of the group"),
            );
        } else {
            let priority = one.priority.get();
            findings.push(Finding::info(
                "master",
                format!("{name}: {source} on {on} is master, with priority {priority}"),
            ));
            masters.push(one);
        }
    }
    if masters.is_empty() && segment.heard.is_ok() {
        let time = humantime::format_duration(facts.listened);
        findings.push(Finding::info(
            "no-master",
            format!("{name}: no other master was heard on {on} for {time}"),
        ));
    }
    masters
}

fn claims(
    name: &str,
    router: &RouterConfig,
    segment: &Segment,
    masters: &[&Heard],
    findings: &mut Vec<Finding>,
) {
    let Ok(claims) = &segment.claims else {
        return;
    };
    let on = router.interface();
    for net in router.addresses() {
        let address = net.addr();
        let Some(macs) = claims.get(&address) else {
            continue;
        };
        let by = macs.iter().map(mac).collect::<Vec<_>>().join(" and ");
        let what = format!("{name}: {address} is answered on {on} by {by}");
        findings.push(match (masters.is_empty(), macs.len()) {
            (false, 1) => Finding::info("address-answered", format!("{what}, the master")),
            (false, _) => Finding::error("address-twice", what)
                .why("Clients reach now one, now the other.")
                .cure(
                    "find the one that is no router by its Ethernet address; a real server needs \
                     `director real-server up`",
                ),
            (true, _) => Finding::error("address-taken", what)
                .why("It is no master of this virtual router: clients will reach now one, now the other.")
                .cure(
                    "find it by its Ethernet address and take the address off it; a real server needs \
                     `director real-server up`",
                ),
        });
    }
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    let all: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    all.join(", ")
}

fn mac(mac: &MacAddress) -> String {
    let octets: Vec<String> = mac.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

#[cfg(test)]
mod tests;

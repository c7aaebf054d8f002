//! `peers` of a virtual router.

use std::net::IpAddr;

use locum_vrrp::Peer;

use super::router_addresses;
use super::section::{Entry, Report, Section};

const EXAMPLE: &str = "{ address = \"192.0.2.3\" }";

pub(super) fn read(
    section: &mut Section<'_>,
    ipv6: Option<bool>,
    source: Option<IpAddr>,
    report: &mut Report,
) -> Vec<Peer> {
    let Some(entry) = section.take("peers") else {
        return Vec::new();
    };
    let Some(elements) = entry.elements(EXAMPLE, report) else {
        return Vec::new();
    };
    if elements.is_empty() {
        let wrong = entry.wrong("unicast needs at least one peer", "nobody to talk to");
        report.add(
            wrong.help("list the addresses of the other routers, or remove the line for multicast"),
        );
    }
    let mut peers: Vec<Peer> = Vec::new();
    for element in &elements {
        let Some((peer, place)) = peer(element, report) else {
            continue;
        };
        let (message, label) = if ipv6.is_some_and(|ipv6| ipv6 != peer.address.is_ipv6()) {
            report.add(router_addresses::other_family(
                &place,
                "the virtual addresses",
            ));
            continue;
        } else if peer.address.is_multicast() || peer.address.is_unspecified() {
            ("this cannot be a peer", "not an address of a host")
        } else if Some(peer.address) == source {
            ("a router is not its own peer", "this is its `source`")
        } else if peers.iter().any(|other| other.address == peer.address) {
            ("the peer is listed twice", "the second time")
        } else {
            peers.push(peer);
            continue;
        };
        report.add(
            place
                .wrong(message, label)
                .help("list the addresses of the other routers"),
        );
    }
    peers
}

fn peer<'t>(element: &Entry<'t>, report: &mut Report) -> Option<(Peer, Entry<'t>)> {
    // A bare address is what people write first.
    if element.value.is_str() {
        report.add(element.mistyped("an array of tables", &format!("write {EXAMPLE}")));
        return None;
    }
    let mut section = Section::of("this peer", EXAMPLE, element, report)?;
    let address = section.require("address", "\"192.0.2.3\"", report);
    let min_entry = section.take("min_ttl");
    let min_ttl = min_entry
        .as_ref()
        .map_or(Some(0), |entry| entry.number(0..=255, report));
    let max_ttl = section
        .take("max_ttl")
        .map_or(Some(255), |entry| entry.number(0..=255, report));
    section.finish(report);
    let place = address?;
    let address = place.parsed("an address", "192.0.2.3", report)?;
    let (min_ttl, max_ttl) = (min_ttl?, max_ttl?);
    if min_ttl > max_ttl {
        let entry = min_entry.as_ref().unwrap_or(element);
        let wrong = entry.wrong(
            "no TTL is in this range",
            format!("more than max_ttl, {max_ttl}"),
        );
        report.add(wrong.help("make min_ttl at most max_ttl"));
        return None;
    }
    Some((
        Peer {
            address,
            min_ttl,
            max_ttl,
        },
        place,
    ))
}

//! Our frames against those of keepalived, byte for byte.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use locum_vip::wire::ndp::Role;
use locum_vip::wire::{arp, ndp};
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.lines().filter(|line| !line.starts_with('#')).collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

const ROUTER_A: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

#[test]
fn requests_are_those_of_keepalived() {
    let captured = bytes(include_str!("data/arp-request.hex"));
    assert_eq!(arp::gratuitous_request(ROUTER_A, VIP)[..], captured);
    let captured = bytes(include_str!("data/arp-request-vmac.hex"));
    let virtual_mac = [0, 0, 0x5e, 0, 1, 51];
    assert_eq!(arp::gratuitous_request(virtual_mac, VIP)[..], captured);
}

#[test]
fn a_reply_differs_in_operation_and_target_only() {
    let mut expected = arp::gratuitous_request(ROUTER_A, VIP);
    expected[21] = 2;
    expected[32..38].copy_from_slice(&ROUTER_A);
    assert_eq!(arp::gratuitous_reply(ROUTER_A, VIP), expected);
}

#[test]
fn advertisements_are_those_of_keepalived() {
    for (captured, address) in [
        (include_str!("data/na-link-local.hex"), "fe80::50"),
        (include_str!("data/na-global.hex"), "fd77::50"),
    ] {
        let ours = ndp::unsolicited_advertisement(ROUTER_A, address.parse().unwrap(), Role::Host);
        assert_eq!(ours[..], bytes(captured), "{address}");
    }
}

proptest! {
    #[test]
    fn advertisements_are_valid(mac: [u8; 6], address: u128, router: bool) {
        let address = Ipv6Addr::from_bits(address);
        let role = if router { Role::Router } else { Role::Host };
        let frame = ndp::unsolicited_advertisement(mac, address, role);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv6(ip)) = packet.net else { panic!("not IPv6") };
        prop_assert_eq!(ip.header().hop_limit(), 255);
        prop_assert_eq!(ip.header().source_addr(), address);
        let Some(TransportSlice::Icmpv6(icmp)) = packet.transport else { panic!("not ICMPv6") };
        let destination = ip.header().destination();
        prop_assert!(icmp.is_checksum_valid(address.octets(), destination));
        prop_assert_eq!(frame[58] & 0xe0, if router { 0xa0 } else { 0x20 }, "R, S, O");
    }
}

#[test]
fn a_probe_asks_without_an_address() {
    let probe = arp::probe(ROUTER_A, VIP);
    let mut expected = vec![0xff; 6];
    expected.extend(ROUTER_A);
    expected.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    expected.extend(ROUTER_A);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 77, 0, 50]);
    assert_eq!(probe[..], expected);
    assert_eq!(arp::claim(&probe), None);
}

#[test]
fn a_solicitation_asks_the_group_without_an_address() {
    let frame = ndp::solicitation(ROUTER_A, "fd77::50".parse().unwrap());
    let packet = SlicedPacket::from_ethernet(&frame).unwrap();
    let Some(NetSlice::Ipv6(ip)) = &packet.net else {
        panic!("{packet:?}");
    };
    let (from, to) = (ip.header().source(), ip.header().destination());
    assert_eq!(from, [0; 16]);
    assert_eq!(
        Ipv6Addr::from(to),
        "ff02::1:ff00:50".parse::<Ipv6Addr>().unwrap()
    );
    assert_eq!(&frame[..6], [0x33, 0x33, 0xff, 0, 0, 0x50]);
    let Some(TransportSlice::Icmpv6(icmp)) = &packet.transport else {
        panic!("{packet:?}");
    };
    assert!(icmp.is_checksum_valid(from, to));
    assert_eq!(icmp.slice().len(), 24, "no options");
    assert_eq!(ndp::claim(&frame), None);
}

#[test]
fn a_claim_is_read_from_what_is_announced() {
    let claim = Some((ROUTER_A, VIP));
    assert_eq!(arp::claim(&arp::gratuitous_request(ROUTER_A, VIP)), claim);
    assert_eq!(arp::claim(&arp::gratuitous_reply(ROUTER_A, VIP)), claim);
    let vip = "fd77::50".parse().unwrap();
    let mut frame = ndp::unsolicited_advertisement(ROUTER_A, vip, Role::Host);
    assert_eq!(ndp::claim(&frame), Some((ROUTER_A, vip)));
    assert_eq!(arp::claim(&frame), None);
    // A router was in between.
    frame[21] -= 1;
    assert_eq!(ndp::claim(&frame), None);
}

proptest! {
    #[test]
    fn any_frame_can_be_read(frame in prop::collection::vec(any::<u8>(), 0..128)) {
        let _ = (arp::claim(&frame), ndp::claim(&frame));
    }
}

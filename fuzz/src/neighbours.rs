use std::net::{Ipv4Addr, Ipv6Addr};

use locum_vip::wire::{arp, ndp};

/// Whatever frame arrives, at most one claim is read from it; and what we send ourselves is read as it was meant.
pub fn neighbours(bytes: &[u8]) {
    let of_arp = arp::claim(bytes);
    let of_ndp = ndp::claim(bytes);
    assert!(of_arp.is_none() || of_ndp.is_none(), "two claims at once");

    if let Some((mac, address)) = of_arp {
        arp_is_read_as_sent(mac, address);
    }
    if let Some((mac, address)) = of_ndp {
        ndp_is_read_as_sent(mac, address);
    }
    if let Some((mac, rest)) = bytes.split_first_chunk::<6>()
        && let Some((address, rest)) = rest.split_first_chunk::<16>()
    {
        let [a, b, c, d, ..] = *address;
        arp_is_read_as_sent(*mac, [a, b, c, d].into());
        ndp_is_read_as_sent(*mac, (*address).into());
        if let [index, change, ..] = *rest {
            damaged_advertisement_claims_no_other_address(*mac, (*address).into(), index, change);
        }
    }
}

fn arp_is_read_as_sent(mac: [u8; 6], address: Ipv4Addr) {
    let expected = (!address.is_unspecified()).then_some((mac, address));
    assert_eq!(arp::claim(&arp::gratuitous_request(mac, address)), expected);
    assert_eq!(arp::claim(&arp::gratuitous_reply(mac, address)), expected);
    assert_eq!(arp::claim(&arp::probe(mac, address)), None);
}

fn ndp_is_read_as_sent(mac: [u8; 6], address: Ipv6Addr) {
    for role in [ndp::Role::Host, ndp::Role::Router] {
        let frame = ndp::unsolicited_advertisement(mac, address, role);
        assert_eq!(ndp::claim(&frame), Some((mac, address)));
        for len in 0..frame.len() {
            assert_eq!(ndp::claim(&frame[..len]), None, "cut off at {len}");
        }
    }
    assert_eq!(ndp::claim(&ndp::solicitation(mac, address)), None);
}

/// The checksum covers the target.
fn damaged_advertisement_claims_no_other_address(
    mac: [u8; 6],
    address: Ipv6Addr,
    index: u8,
    change: u8,
) {
    let mut frame = ndp::unsolicited_advertisement(mac, address, ndp::Role::Host);
    let index = usize::from(index) % frame.len();
    frame[index] ^= change;
    if let Some((_, claimed)) = ndp::claim(&frame) {
        assert_eq!(claimed, address, "byte {index} changed by {change:#04x}");
    }
}

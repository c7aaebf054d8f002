use std::num::NonZeroU32;

use locum_netlink::attributes;
use proptest::prelude::*;

use super::*;

fn link() -> LinkIndex {
    LinkIndex::new(3).unwrap()
}

fn seconds(count: u32) -> Lifetime {
    Lifetime::Seconds(NonZeroU32::new(count).unwrap())
}

/// The request read back as if it were the kernel's report.
fn report(address: &str, lifetime: Lifetime) -> (AddressEntry, u32, [u8; 16]) {
    let request = put_address(link(), address.parse().unwrap(), lifetime, Put::New, true);
    let body = request.body().to_vec();
    let find = |kind| attributes(&body[8..]).find(|a| a.kind() == kind).unwrap();
    let flags = find(IFA_FLAGS).u32().unwrap();
    let lifetimes = find(IFA_CACHEINFO).array().unwrap();
    (
        read_address(&Message::new(RTM_NEWADDR, body.clone())).unwrap(),
        flags,
        lifetimes,
    )
}

#[test]
fn an_address_is_marked_and_leased() {
    let (entry, flags, lifetimes) = report("192.0.2.10/24", seconds(3));
    assert_eq!(entry.address, "192.0.2.10/24".parse().unwrap());
    assert_eq!(entry.link, link());
    assert!(entry.marked && entry.usable && !entry.secondary);
    assert_eq!(
        flags, 0,
        "a prefix route, or it would be alone in its subnet"
    );
    assert_eq!(lifetimes[..4], 3_u32.to_ne_bytes(), "preferred");
    assert_eq!(lifetimes[4..8], 3_u32.to_ne_bytes(), "valid");
}

#[test]
fn an_ipv6_address_is_never_a_source_nor_tentative() {
    let (_, flags, lifetimes) = report("2001:db8::10/64", Lifetime::Forever);
    assert_eq!(flags, IFA_F_NODAD);
    assert_eq!(lifetimes[..4], 0_u32.to_ne_bytes(), "preferred");
    assert_eq!(lifetimes[4..8], u32::MAX.to_ne_bytes(), "valid");
}

#[test]
fn only_host_addresses_go_without_prefix_route() {
    assert_eq!(report("192.0.2.10/32", seconds(1)).1, IFA_F_NOPREFIXROUTE);
    assert_eq!(
        report("2001:db8::10/128", seconds(1)).1,
        IFA_F_NODAD | IFA_F_NOPREFIXROUTE
    );
}

#[test]
fn marks_came_with_linux_5_18() {
    for (release, expected) in [
        ("5.18.0", true),
        ("6.1.0-18-amd64", true),
        ("10.0", true),
        ("5.17.15", false),
        ("4.19.0-26-amd64", false),
        ("", false),
        ("x", false),
    ] {
        assert_eq!(has_marks(release), expected, "{release}");
    }
}

proptest! {
    #[test]
    fn any_message_is_read_without_panic(kind: u16, body: Vec<u8>) {
        let message = Message::new(kind, body);
        let _ = read_address(&message);
        let _ = read_link(&message);
    }

    #[test]
    fn damaged_reports_are_read_without_panic(position in 0_usize..60, value: u8) {
        let address = "2001:db8::10/64".parse().unwrap();
        let mut body = put_address(link(), address, seconds(3), Put::New, true).body().to_vec();
        if let Some(byte) = body.get_mut(position) {
            *byte = value;
        }
        let _ = read_address(&Message::new(RTM_NEWADDR, body));
    }
}

//! What keepalived and FRR send decodes, verifies and encodes to the same bytes again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use locum_vrrp_wire::{
    Advertisement, AdvertisementView, Authentication, ChecksumForm, Password, Version,
};

use crate::support;

/// What all messages of a capture have in common.
struct Facts {
    messages: usize,
    version: Version,
    interval_units: u16,
    priorities: &'static [u8],
    addresses: Vec<IpAddr>,
    authentication: Authentication,
}

fn check(name: &str, facts: &Facts) {
    let captured = support::pcap(name);
    assert_eq!(captured.len(), facts.messages, "{name}");
    let mut priorities = BTreeSet::new();
    for support::Captured { message, packet } in &captured {
        let view = AdvertisementView::new_checked(message, packet)
            .unwrap_or_else(|error| panic!("{name}: {error}: {message:02x?}"));
        assert_eq!(view.version(), facts.version, "{name}");
        assert_eq!(view.vrid().get(), 51, "{name}");
        assert_eq!(view.interval().wire_value(), facts.interval_units, "{name}");
        assert_eq!(view.authentication(), facts.authentication, "{name}");
        assert!(
            view.addresses().eq(facts.addresses.iter().copied()),
            "{name}"
        );
        let form = match facts.version {
            Version::V2 => ChecksumForm::MessageOnly,
            Version::V3 => ChecksumForm::PseudoHeader,
        };
        assert_eq!(view.checksum_form(), form, "{name}");
        priorities.insert(view.priority().get());

        assert_eq!(
            support::encode(&Advertisement::from(&view), packet),
            *message,
            "{name}"
        );
        let built = Advertisement::new(
            view.vrid(),
            view.priority(),
            view.interval(),
            facts.addresses.iter().copied(),
        )
        .and_then(|built| built.with_authentication(facts.authentication));
        assert_eq!(support::encode(&built.unwrap(), packet), *message, "{name}");
    }
    assert!(
        priorities.iter().eq(facts.priorities),
        "{name}: {priorities:?}"
    );
}

fn v2() -> Facts {
    Facts {
        messages: 0,
        version: Version::V2,
        interval_units: 1,
        priorities: &[0, 150],
        addresses: vec![IpAddr::from([10, 77, 0, 50])],
        authentication: Authentication::None,
    }
}

fn v3() -> Facts {
    Facts {
        version: Version::V3,
        interval_units: 10,
        priorities: &[0, 100, 150],
        ..v2()
    }
}

fn v3_ipv6() -> Facts {
    let addresses = ["fe80::50", "fd77::50"].map(|address| address.parse().unwrap());
    Facts {
        addresses: addresses.to_vec(),
        ..v3()
    }
}

#[test]
fn v2_without_authentication() {
    check(
        "ka-v2-noauth",
        &Facts {
            messages: 5,
            ..v2()
        },
    );
    check(
        "ka-v2-fraction",
        &Facts {
            messages: 4,
            interval_units: 2,
            ..v2()
        },
    );
    check(
        "ka-v2-unicast",
        &Facts {
            messages: 7,
            priorities: &[0, 100, 150],
            ..v2()
        },
    );
}

#[test]
fn v2_with_a_password() {
    let authentication = Authentication::Password(Password::new("s3cret12").unwrap());
    let priorities = &[0, 100, 150];
    check(
        "ka-v2-pass",
        &Facts {
            messages: 7,
            authentication,
            priorities,
            ..v2()
        },
    );
}

#[test]
fn v2_with_authentication_header() {
    check(
        "ka-v2-ah",
        &Facts {
            messages: 7,
            authentication: Authentication::Header,
            priorities: &[0, 100, 150],
            ..v2()
        },
    );
}

#[test]
fn v3_over_ipv4() {
    check(
        "ka-v3-ipv4",
        &Facts {
            messages: 65,
            ..v3()
        },
    );
    check(
        "ka-v3-unicast",
        &Facts {
            messages: 39,
            ..v3()
        },
    );
    check(
        "ka-v3-vmac",
        &Facts {
            messages: 44,
            ..v3()
        },
    );
    check(
        "ka-v3-owner255",
        &Facts {
            messages: 13,
            priorities: &[0, 255],
            ..v3()
        },
    );
}

#[test]
fn v3_with_twenty_addresses() {
    let addresses = (1..=20)
        .map(|host| IpAddr::from([10, 77, 9, host]))
        .collect();
    check(
        "ka-v3-20vips-excluded",
        &Facts {
            messages: 10,
            interval_units: 20,
            priorities: &[0, 150],
            addresses,
            ..v3()
        },
    );
}

#[test]
fn v3_over_ipv6() {
    check(
        "ka-v3-ipv6",
        &Facts {
            messages: 38,
            ..v3_ipv6()
        },
    );
    check(
        "ka-v3-ipv6-vmac",
        &Facts {
            messages: 18,
            priorities: &[0, 150],
            ..v3_ipv6()
        },
    );
}

#[test]
fn frr() {
    let (messages, priorities) = (6, &[0, 150]);
    check("frr-v2", &Facts { messages, ..v2() });
    check(
        "frr-v3-ipv4",
        &Facts {
            messages,
            priorities,
            ..v3()
        },
    );
    // None of them is link-local.
    let addresses = ["fd77::32", "fd77::33"].map(|address| address.parse().unwrap());
    check(
        "frr-v3-ipv6",
        &Facts {
            messages,
            priorities,
            addresses: addresses.to_vec(),
            ..v3()
        },
    );
}

use std::net::IpAddr;

use locum_vrrp::wire::Authentication;
use locum_vrrp::{Password, Priority, Vrid};

use super::*;
use crate::doctor::Severity;
use crate::doctor::made_up::{config, facts, notable};
use crate::machine::made_up::set;

fn heard(source: &str, addresses: &[&str]) -> Heard {
    Heard {
        source: source.parse().unwrap(),
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::new(150),
        authentication: Authentication::None,
        addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
    }
}

/// What is notable about `facts` after `change`, but for the silence of the network.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<(Severity, &'static str)> {
    let mut facts = facts();
    change(&mut facts);
    let mut found = notable(check(&config(""), &facts));
    found.retain(|&(_, id)| id != "no-master");
    found
}

fn segment(facts: &mut Facts) -> &mut Segment {
    facts.segments.get_mut("eth0").unwrap()
}

#[test]
fn a_machine_in_good_order_has_no_faults() {
    assert_eq!(found(|_| ()), []);
    let silent = check(&config(""), &facts());
    assert!(
        silent
            .iter()
            .any(|one| one.what == "web: no other master was heard on eth0 for 3s"),
        "{silent:?}"
    );
}

#[test]
fn what_a_router_lacks_is_an_error() {
    type Spoil = fn(&mut Facts);
    let table: [(Spoil, &[&str]); 8] = [
        (
            |f| _ = f.machine.interfaces.remove("eth0"),
            &["interface-missing"; 2],
        ),
        (|f| eth0(f).up = false, &["interface-down"; 2]),
        (|f| eth0(f).carrier = false, &["no-carrier"; 2]),
        (
            |f| eth0(f).addresses.retain(|one| one.net.addr().is_ipv6()),
            &["no-source"],
        ),
        // Multicast comes from the link-local address.
        (
            |f| {
                let link_local: IpAddr = "fe80::1".parse().unwrap();
                eth0(f).addresses.retain(|one| one.net.addr() != link_local);
            },
            &["no-source"],
        ),
        // An address that a virtual router holds is not the interface's own.
        (
            |f| {
                for held in &mut eth0(f).addresses {
                    held.virtual_router = true;
                }
            },
            &["no-source"; 2],
        ),
        (
            |f| set(&mut f.machine, &Key::ipv6("eth0", "disable_ipv6"), "1"),
            &["ipv6-disabled"],
        ),
        (
            |f| f.missing = Ok(Some("this process lacks CAP_NET_RAW".to_owned())),
            &["capabilities"],
        ),
    ];
    for (spoil, expected) in table {
        let expected: Vec<_> = expected.iter().map(|id| (Severity::Error, *id)).collect();
        assert_eq!(found(spoil), expected);
    }
}

fn eth0(facts: &mut Facts) -> &mut Interface {
    facts.machine.interfaces.get_mut("eth0").unwrap()
}

#[test]
fn others_with_the_same_vrid_are_judged() {
    let peer = heard("192.0.2.3", &["192.0.2.10"]);
    let with = |one: Heard| found(move |facts| segment(facts).heard = Ok(vec![one]));
    assert_eq!(with(peer.clone()), [(Severity::Info, "master")]);
    let stranger = heard("192.0.2.3", &["192.0.2.10", "192.0.2.77"]);
    assert_eq!(with(stranger), [(Severity::Error, "vrid-taken")]);
    let older = Heard {
        version: Version::V2,
        ..peer.clone()
    };
    assert_eq!(with(older), [(Severity::Error, "vrid-version")]);
    let password = Password::new(b"secret").unwrap();
    let guarded = Heard {
        authentication: Authentication::Password(password),
        ..peer
    };
    assert_eq!(with(guarded), [(Severity::Error, "vrid-password")]);
    let other_router = Heard {
        vrid: Vrid::new(52).unwrap(),
        ..heard("192.0.2.3", &["192.0.2.77"])
    };
    assert_eq!(with(other_router), []);
    // This machine's own, from the director that runs on it.
    assert_eq!(with(heard("192.0.2.1", &["192.0.2.77"])), []);
    // Another family is another virtual router.
    let six = heard("fe80::3", &["fe80::10", "2001:db8::10"]);
    assert_eq!(with(six), [(Severity::Info, "master")]);
}

#[test]
fn whoever_answers_for_a_virtual_address_has_to_be_the_master() {
    let vip: IpAddr = "192.0.2.10".parse().unwrap();
    let claimed = |macs: &[u8], masters: Vec<Heard>| {
        let macs = macs.iter().map(|last| [2, 0, 0, 0, 0, *last]).collect();
        found(move |facts| {
            segment(facts).claims = Ok([(vip, macs)].into());
            segment(facts).heard = Ok(masters);
        })
    };
    let peer = || vec![heard("192.0.2.3", &["192.0.2.10"])];
    assert_eq!(
        claimed(&[7], Vec::new()),
        [(Severity::Error, "address-taken")]
    );
    assert_eq!(
        claimed(&[7], peer()),
        [
            (Severity::Info, "address-answered"),
            (Severity::Info, "master")
        ]
    );
    assert_eq!(
        claimed(&[7, 8], peer()),
        [
            (Severity::Error, "address-twice"),
            (Severity::Info, "master")
        ]
    );
    let stranger = vec![heard("192.0.2.3", &["192.0.2.77"])];
    assert_eq!(
        claimed(&[7], stranger),
        [
            (Severity::Error, "address-taken"),
            (Severity::Error, "vrid-taken")
        ]
    );
    assert_eq!(mac(&[2, 0, 0, 0xab, 0, 7]), "02:00:00:ab:00:07");
}

#[test]
fn a_network_that_could_not_be_looked_at_is_told_once() {
    let found = found(|facts| {
        segment(facts).heard = Err("no".to_owned());
        segment(facts).claims = Err("no".to_owned());
    });
    assert_eq!(
        found,
        [
            (Severity::Warning, "not-asked"),
            (Severity::Warning, "not-listened")
        ]
    );
}

use super::*;
use crate::doctor::Severity;
use crate::doctor::made_up::{config, facts, notable};
use crate::machine::made_up::{held, set};

fn service(forward: &str, server: &str) -> Config {
    let vip = if server.starts_with('[') {
        "[2001:db8::10]:80"
    } else {
        "192.0.2.10:80"
    };
    config(&format!(
        "[[virtual_service]]\nname = \"web\"\naddress = \"{vip}\"\nscheduler = \"rr\"\nforward = \"{forward}\"\n\
         [[virtual_service.server]]\naddress = \"{server}\"\ncheck = false\n"
    ))
}

fn found(config: &Config, settings: &[(Key, &str)]) -> Vec<(Severity, &'static str, String)> {
    let mut facts = facts();
    for (key, value) in settings {
        set(&mut facts.machine, key, value);
    }
    let findings = check(config, &facts);
    let wrong = findings
        .into_iter()
        .filter(|one| one.severity != Severity::Ok);
    wrong.map(|one| (one.severity, one.id, one.cure)).collect()
}

fn one(severity: Severity, id: &'static str, cure: &str) -> [(Severity, &'static str, String); 1] {
    [(severity, id, cure.to_owned())]
}

#[test]
fn nat_needs_forwarding_of_its_family() {
    let forward = Key::new("net/ipv4/ip_forward");
    let four = service("nat", "10.0.0.5:8080");
    assert_eq!(
        found(&four, &[]),
        one(
            Severity::Error,
            "ip-forward",
            "sysctl -w net.ipv4.ip_forward=1"
        )
    );
    assert_eq!(found(&four, &[(forward, "1")]), []);
    let six = service("nat", "[2001:db8:1::5]:8080");
    assert_eq!(
        found(&six, &[]),
        one(
            Severity::Error,
            "ipv6-forward",
            "sysctl -w net.ipv6.conf.all.forwarding=1"
        )
    );
    for forward in ["direct", "tunnel"] {
        assert_eq!(found(&service(forward, "192.0.2.5"), &[]), [], "{forward}");
    }
}

#[test]
fn nat_on_one_network_wants_no_redirects() {
    let beside = service("nat", "192.0.2.5:8080");
    let forward = (Key::new("net/ipv4/ip_forward"), "1");
    let redirects = |place| Key::ipv4(place, "send_redirects");
    assert_eq!(found(&beside, std::slice::from_ref(&forward)), []);
    assert_eq!(
        found(
            &beside,
            &[
                forward.clone(),
                (redirects("all"), "1"),
                (redirects("eth0"), "1")
            ]
        ),
        one(
            Severity::Warning,
            "send-redirects",
            "sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0"
        )
    );
    let elsewhere = service("nat", "10.0.0.5:8080");
    assert_eq!(found(&elsewhere, &[forward, (redirects("all"), "1")]), []);
}

#[test]
fn a_strict_reverse_path_is_a_note() {
    let direct = service("direct", "192.0.2.5");
    for (all, own, noted) in [("0", "1", true), ("1", "0", true), ("1", "2", false)] {
        let settings = [
            (Key::ipv4("all", "rp_filter"), all),
            (Key::ipv4("eth0", "rp_filter"), own),
        ];
        let found = found(&direct, &settings);
        assert_eq!(found.iter().any(|one| one.1 == "rp-filter"), noted);
    }
}

#[test]
fn a_director_that_is_a_real_server_too_must_not_answer_for_it() {
    let config = config("");
    let mut facts = facts();
    let lo = facts.machine.interfaces.get_mut("lo").unwrap();
    lo.addresses.push(held("192.0.2.10/32"));
    assert_eq!(
        notable(check(&config, &facts)),
        [(Severity::Error, "arp-loopback")]
    );
    set(&mut facts.machine, &Key::ipv4("all", "arp_ignore"), "1");
    set(&mut facts.machine, &Key::ipv4("eth0", "arp_announce"), "2");
    assert_eq!(notable(check(&config, &facts)), []);
}

#[test]
fn direct_routing_reaches_neighbours_only() {
    let far = service("direct", "10.0.0.5");
    let found = found(&far, &[]);
    assert_eq!(found.first().map(|one| one.1), Some("not-a-neighbour"));
    assert_eq!(found.len(), 1);
}

//! A real server: does it take in packets to a virtual address, and does nobody learn that it has it? Pure.

use std::net::IpAddr;

use super::finding::Finding;
use super::sockets::Listening;
use crate::machine::{Interface, Machine};
use crate::real_server::Method;
use crate::sysctl::Key;

/// Where a virtual address should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: IpAddr,
    pub(crate) method: Method,
    pub(crate) interface: String,
}

/// Everything there is to say about `places`; about services only if it is known who listens.
pub(crate) fn real_server(
    machine: &Machine,
    places: &[Place],
    listening: Option<&Listening>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = places
        .iter()
        .flat_map(|place| {
            let served = listening.map(|listening| service(place, listening));
            address(machine, place)
                .into_iter()
                .chain(reverse_path(machine, place))
                .chain(served)
        })
        .collect();
    if places.iter().any(|place| place.address.is_ipv4()) {
        findings.extend(arp(machine, places));
    }
    findings
}

fn address(machine: &Machine, place: &Place) -> Vec<Finding> {
    let Place {
        address,
        method,
        interface,
    } = place;
    let mut findings = Vec::new();
    let mut here = false;
    for (other, held) in machine.places(*address) {
        if other != interface {
            findings.push(
                Finding::error(
                    "address-exposed",
                    format!("{address} is on {other}, and belongs on {interface}"),
                )
                .why("This machine answers for it there, and takes it away from the director.")
                .cure(format!("ip address del {} dev {other}", held.net)),
            );
        } else if held.net.prefix_len() == held.net.max_prefix_len() {
            here = true;
        } else {
            findings.push(
                Finding::error(
                    "address-prefix",
                    format!("{} is on {interface}, with its whole network", held.net),
                )
                .why("Everything in that network is taken for this machine's own, clients too.")
                .cure(format!("ip address del {} dev {interface}", held.net)),
            );
        }
    }
    let up = machine.interfaces.get(interface).is_some_and(|one| one.up);
    if here && up {
        findings.push(Finding::ok(
            "address",
            format!("{address} is on {interface}"),
        ));
    } else if findings.is_empty() {
        let what = match (here, machine.interfaces.contains_key(interface)) {
            (true, _) => format!("{interface}, which has {address}, is down"),
            (false, true) => format!("{address} is not on {interface}"),
            (false, false) => format!("there is no {interface} for {address}"),
        };
        findings.push(
            Finding::error("address-missing", what)
                .why(
                    "The director forwards packets to it unchanged, and they are thrown away here.",
                )
                .cure(format!(
                    "director real-server up {address} --method {method}"
                )),
        );
    }
    findings
}

/// The kernel takes the greater of the interface's own setting and that of `all`.
fn reverse_path(machine: &Machine, place: &Place) -> Option<Finding> {
    let Place {
        address,
        method,
        interface,
    } = place;
    let strict = machine.effective(interface, "rp_filter") == Some(1);
    (*method == Method::Tunnel && address.is_ipv4() && strict).then(|| {
        let all = machine.number(&Key::ipv4("all", "rp_filter"));
        let value = if all == Some(1) { "2" } else { "0" };
        Finding::error(
            "rp-filter",
            format!("rp_filter is strict (1) on {interface}"),
        )
        .why("Clients' packets out of the tunnel are thrown away, since answers leave another way.")
        .set([(Key::ipv4(interface, "rp_filter"), value)])
    })
}

fn arp(machine: &Machine, places: &[Place]) -> Vec<Finding> {
    let for_addresses = |name: &&String| places.iter().any(|place| place.interface == **name);
    let asked = |(name, interface): &(&String, &Interface)| {
        interface.up && *name != "lo" && !for_addresses(name)
    };
    let names: Vec<&String> = machine
        .interfaces
        .iter()
        .filter(asked)
        .map(|(name, _)| name)
        .collect();
    let mut findings = Vec::new();
    let ignores = |value: i64| matches!(value, 1 | 2 | 8);
    let wrong = wrong(machine, &names, "arp_ignore", ignores);
    if wrong.is_empty() {
        findings.push(Finding::ok(
            "arp-ignore",
            "ARP is answered for addresses of the interface only",
        ));
    } else {
        findings.push(
            Finding::error(
                "arp-ignore",
                format!("this machine answers ARP for the virtual address on {}", join(&wrong)),
            )
            .why("Clients' packets come here past the director, for as long as their neighbours remember.")
            .set(fixes(machine, &wrong, "arp_ignore", "1", ignores)),
        );
    }
    let announces = |value: i64| value >= 2;
    let wrong = self::wrong(machine, &names, "arp_announce", announces);
    if wrong.is_empty() {
        findings.push(Finding::ok(
            "arp-announce",
            "ARP asks with addresses of the interface only",
        ));
    } else {
        findings.push(
            Finding::error(
                "arp-announce",
                format!(
                    "this machine may ask with the virtual address on {}",
                    join(&wrong)
                ),
            )
            .why("Whoever is asked that way remembers this machine as the one that has it.")
            .set(fixes(machine, &wrong, "arp_announce", "2", announces)),
        );
    }
    findings
}

fn wrong<'n>(
    machine: &Machine,
    names: &[&'n String],
    setting: &str,
    good: impl Fn(i64) -> bool,
) -> Vec<&'n String> {
    let bad = |name: &&&String| {
        machine
            .effective(name, setting)
            .is_some_and(|value| !good(value))
    };
    names.iter().filter(bad).copied().collect()
}

/// That of `all` does for every interface, but for one whose own is worse.
fn fixes(
    machine: &Machine,
    wrong: &[&String],
    setting: &str,
    value: &'static str,
    good: impl Fn(i64) -> bool,
) -> Vec<(Key, &'static str)> {
    let bad = |key: &Key| machine.number(key).is_some_and(|value| !good(value));
    let own = wrong.iter().map(|name| Key::ipv4(name, setting));
    // 0 of its own is no harm: that of `all` is greater.
    let own = own.filter(|key| bad(key) && machine.number(key) > Some(1));
    std::iter::once(Key::ipv4("all", setting))
        .filter(|key| bad(key))
        .chain(own)
        .map(|key| (key, value))
        .collect()
}

fn service(place: &Place, listening: &Listening) -> Finding {
    let address = place.address;
    let ports = listening.ports(address);
    if ports.is_empty() {
        return Finding::warning(
            "nobody-listens",
            format!("no TCP service of this machine listens on {address}"),
        )
        .why("A service has to listen on the virtual address, or on every address.")
        .cure("start the service, or add the virtual address where it listens");
    }
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    Finding::ok(
        "listening",
        format!("TCP ports that listen on {address}: {}", ports.join(", ")),
    )
}

fn join(names: &[&String]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;
    use crate::machine::made_up::{add_interface, held, machine, set};

    fn place(method: Method) -> Place {
        let address = "192.0.2.10".parse().unwrap();
        Place {
            address,
            method,
            interface: method.interface(address).to_owned(),
        }
    }

    fn put(machine: &mut Machine, interface: &str, net: &str) {
        let place = machine.interfaces.get_mut(interface).unwrap();
        place.addresses.push(held(net));
    }

    /// All as it should be.
    fn good() -> Machine {
        let mut machine = machine();
        put(&mut machine, "lo", "192.0.2.10/32");
        set(&mut machine, &Key::ipv4("all", "arp_ignore"), "1");
        set(&mut machine, &Key::ipv4("all", "arp_announce"), "2");
        machine
    }

    fn errors(machine: &Machine, place: &Place) -> Vec<(&'static str, String)> {
        let findings = real_server(machine, std::slice::from_ref(place), None);
        let errors = findings
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| (finding.id, finding.cure)).collect()
    }

    #[test]
    fn each_mistake_is_found_with_its_cure() {
        let direct = place(Method::Direct);
        assert_eq!(errors(&good(), &direct), []);
        type Spoil = fn(&mut Machine);
        let table: [(Spoil, &str, &str); 7] = [
            (
                |m| {
                    *m = {
                        let mut fresh = machine();
                        fresh.sysctls = good().sysctls;
                        fresh
                    }
                },
                "address-missing",
                "director real-server up 192.0.2.10 --method direct",
            ),
            (
                |m| put(m, "eth0", "192.0.2.10/32"),
                "address-exposed",
                "ip address del 192.0.2.10/32 dev eth0",
            ),
            (
                |m| put(m, "lo", "192.0.2.10/24"),
                "address-prefix",
                "ip address del 192.0.2.10/24 dev lo",
            ),
            (
                |m| set(m, &Key::ipv4("all", "arp_ignore"), "0"),
                "arp-ignore",
                "sysctl -w net.ipv4.conf.all.arp_ignore=1",
            ),
            (
                |m| set(m, &Key::ipv4("eth0", "arp_ignore"), "3"),
                "arp-ignore",
                "sysctl -w net.ipv4.conf.eth0.arp_ignore=1",
            ),
            (
                |m| set(m, &Key::ipv4("all", "arp_announce"), "1"),
                "arp-announce",
                "sysctl -w net.ipv4.conf.all.arp_announce=2",
            ),
            (
                |m| m.interfaces.get_mut("lo").unwrap().up = false,
                "address-missing",
                "director real-server up 192.0.2.10 --method direct",
            ),
        ];
        for (spoil, id, cure) in table {
            let mut machine = good();
            spoil(&mut machine);
            assert_eq!(errors(&machine, &direct), [(id, cure.to_owned())]);
        }
    }

    #[test]
    fn one_interface_that_is_set_itself_needs_nothing_of_all() {
        let mut machine = good();
        set(&mut machine, &Key::ipv4("all", "arp_ignore"), "0");
        set(&mut machine, &Key::ipv4("eth0", "arp_ignore"), "1");
        assert_eq!(errors(&machine, &place(Method::Direct)), []);
        // Nobody asks on an interface that is down.
        set(&mut machine, &Key::ipv4("eth0", "arp_ignore"), "0");
        machine.interfaces.get_mut("eth0").unwrap().up = false;
        assert_eq!(errors(&machine, &place(Method::Direct)), []);
    }

    #[test]
    fn a_tunnel_wants_a_loose_reverse_path() {
        let tunnel = place(Method::Tunnel);
        let mut machine = good();
        assert_eq!(errors(&machine, &tunnel)[0].0, "address-exposed");
        machine
            .interfaces
            .get_mut("lo")
            .unwrap()
            .addresses
            .retain(|held| held.net.addr() != tunnel.address);
        assert_eq!(errors(&machine, &tunnel)[0].0, "address-missing");
        add_interface(&mut machine, "tunl0", &["192.0.2.10/32"]);
        assert_eq!(errors(&machine, &tunnel), []);
        for (all, own, expected) in [
            ("0", "1", Some("net.ipv4.conf.tunl0.rp_filter=0")),
            ("1", "0", Some("net.ipv4.conf.tunl0.rp_filter=2")),
            ("1", "2", None),
        ] {
            set(&mut machine, &Key::ipv4("all", "rp_filter"), all);
            set(&mut machine, &Key::ipv4("tunl0", "rp_filter"), own);
            let cures: Vec<String> = errors(&machine, &tunnel)
                .into_iter()
                .map(|(_, cure)| cure)
                .collect();
            let expected: Vec<String> = expected
                .map(|setting| format!("sysctl -w {setting}"))
                .into_iter()
                .collect();
            assert_eq!(cures, expected, "all {all}, own {own}");
        }
    }

    #[test]
    fn ipv6_needs_no_settings() {
        let address = "2001:db8::10".parse().unwrap();
        let place = Place {
            address,
            method: Method::Direct,
            interface: "lo".to_owned(),
        };
        let mut machine = machine();
        put(&mut machine, "lo", "2001:db8::10/128");
        assert_eq!(errors(&machine, &place), []);
    }

    #[test]
    fn a_service_that_nobody_offers_is_a_warning() {
        let findings = real_server(
            &good(),
            &[place(Method::Direct)],
            Some(&Listening::default()),
        );
        let found = findings.iter().find(|one| one.id == "nobody-listens");
        assert_eq!(found.unwrap().severity, Severity::Warning);
    }
}

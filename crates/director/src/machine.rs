//! This machine's interfaces, addresses and settings: plain facts to decide on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use locum_vip::wire::MacAddress;
use locum_vip::{LinkIndex, LinkWatch, WatchOptions};

use crate::sysctl::Key;

/// Per interface, and for `all`.
const IPV4: [&str; 4] = ["arp_announce", "arp_ignore", "rp_filter", "send_redirects"];
const IPV6: [&str; 2] = ["disable_ipv6", "forwarding"];
const IPVS: &str = "/proc/sys/net/ipv4/vs";

/// What there is in the network namespace of the thread that asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) interfaces: BTreeMap<String, Interface>,
    /// Those that exist and could be read.
    pub(crate) sysctls: BTreeMap<Key, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) index: LinkIndex,
    pub(crate) up: bool,
    pub(crate) carrier: bool,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) addresses: Vec<Held>,
}

/// An address on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) net: IpNet,
    /// A virtual router holds it.
    pub(crate) virtual_router: bool,
}

impl Machine {
    /// Reads everything anew.
    pub(crate) fn read() -> io::Result<Self> {
        let (watch, _changes) = LinkWatch::start(WatchOptions::default())?;
        let interfaces = watch.links().into_iter().map(|link| {
            let addresses = watch.addresses(link.index).into_iter().map(|one| Held {
                net: one.address,
                virtual_router: one.ours,
            });
            let interface = Interface {
                index: link.index,
                up: link.up,
                carrier: link.carrier,
                mac: link.mac,
                addresses: addresses.collect(),
            };
            (link.name, interface)
        });
        let mut machine = Self {
            interfaces: interfaces.collect(),
            sysctls: BTreeMap::new(),
        };
        machine.read_sysctls();
        Ok(machine)
    }

    /// Reads the settings anew.
    pub(crate) fn read_sysctls(&mut self) {
        let names = self.interfaces.keys().map(String::as_str).chain(["all"]);
        let mut keys: Vec<Key> = names
            .flat_map(|name| {
                let ipv4 = IPV4.iter().map(move |setting| Key::ipv4(name, setting));
                ipv4.chain(IPV6.iter().map(move |setting| Key::ipv6(name, setting)))
            })
            .collect();
        keys.push(Key::new("net/ipv4/ip_forward"));
        let ipvs = fs::read_dir(IPVS).into_iter().flatten().flatten();
        keys.extend(ipvs.filter_map(|file| Some(Key::ipvs(file.file_name().to_str()?))));
        self.sysctls = keys
            .into_iter()
            .filter_map(|key| {
                let value = key.read().ok()?;
                Some((key, value))
            })
            .collect();
    }

    /// A setting that is a number.
    pub(crate) fn number(&self, key: &Key) -> Option<i64> {
        self.sysctls.get(key)?.parse().ok()
    }

    /// What counts on an interface where the kernel takes the greater one of its own setting and that of `all`.
    pub(crate) fn effective(&self, interface: &str, name: &str) -> Option<i64> {
        let own = self.number(&Key::ipv4(interface, name))?;
        let all = self.number(&Key::ipv4("all", name)).unwrap_or_default();
        Some(own.max(all))
    }

    /// Where `address` is, with the length of its prefix.
    pub(crate) fn places(&self, address: IpAddr) -> impl Iterator<Item = (&str, Held)> {
        self.interfaces.iter().flat_map(move |(name, interface)| {
            let here = interface
                .addresses
                .iter()
                .filter(move |held| held.net.addr() == address);
            here.map(|held| (name.as_str(), *held))
        })
    }
}

/// For the tables of tests.
#[cfg(test)]
pub(crate) mod made_up {
    use super::*;

    /// A machine with `lo` and `eth0`, up, with addresses, and the kernel's own settings.
    pub(crate) fn machine() -> Machine {
        let mut machine = Machine::default();
        add_interface(&mut machine, "lo", &["127.0.0.1/8", "::1/128"]);
        add_interface(
            &mut machine,
            "eth0",
            &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"],
        );
        for name in IPV4 {
            machine.sysctls.insert(Key::ipv4("all", name), "0".into());
        }
        for name in IPV6 {
            machine.sysctls.insert(Key::ipv6("all", name), "0".into());
        }
        set(&mut machine, &Key::new("net/ipv4/ip_forward"), "0");
        machine
    }

    pub(crate) fn add_interface(machine: &mut Machine, name: &str, addresses: &[&str]) {
        let number = u32::try_from(machine.interfaces.len()).unwrap() + 1;
        let interface = Interface {
            index: LinkIndex::new(number).unwrap(),
            up: true,
            carrier: true,
            mac: Some([2, 0, 0, 0, 0, 1]),
            addresses: addresses.iter().map(|one| held(one)).collect(),
        };
        machine.interfaces.insert(name.to_owned(), interface);
        for setting in IPV4 {
            set(machine, &Key::ipv4(name, setting), "0");
        }
        for setting in IPV6 {
            set(machine, &Key::ipv6(name, setting), "0");
        }
    }

    pub(crate) fn held(net: &str) -> Held {
        Held {
            net: net.parse().unwrap(),
            virtual_router: false,
        }
    }

    pub(crate) fn set(machine: &mut Machine, key: &Key, value: &str) {
        machine.sysctls.insert(key.clone(), value.to_owned());
    }
}

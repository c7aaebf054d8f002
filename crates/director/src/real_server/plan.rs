//! What has to be changed. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::Method;
use super::record::{Change, Entry, LinkBefore, Owner, Record};
use super::step::{Step, Switch, Tunnel};
use crate::machine::Machine;
use crate::sysctl::Key;

/// What `up` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) method: Method,
    /// Instead of the method's own.
    pub(crate) interface: Option<String>,
}

/// Why it cannot be done on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum PlanError {
    /// The machine answers for it there.
    #[error("{address} is on {interface}, where this machine answers for it")]
    Elsewhere { address: IpAddr, interface: String },
    /// It is not a tunnel's either, which could be made.
    #[error("there is no interface {0}")]
    NoSuchInterface(String),
    /// The kernel has not got it.
    #[error("the kernel has no setting {0}, or it cannot be read")]
    NoSuchSetting(Key),
    /// Nothing is to be undone.
    #[error("{0} was not set up here")]
    NotSetUp(IpAddr),
    /// It is recorded with another method or interface.
    #[error("{address} is set up already, for {method} on {interface}")]
    OtherSetup {
        address: IpAddr,
        method: Method,
        interface: String,
    },
    /// The whole network would be this machine's own.
    #[error("{net} is on {interface}: its whole network is taken for this machine's own")]
    Prefix { net: IpNet, interface: String },
}

/// Changes in order, and the record of all that is to be undone after them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) record: Record,
    /// What was found otherwise than recorded, and left.
    pub(super) notes: Vec<String>,
}

/// A setting, and what it has to be.
struct Need {
    key: Key,
    rule: Rule,
}

#[derive(Clone, Copy)]
enum Rule {
    /// Asks for neighbours with an address of the interface, never with a virtual one.
    ArpAnnounce,
    /// Answers only for addresses of the interface that was asked.
    ArpIgnore,
    /// Takes in packets that would not go back the same way.
    ReversePath,
}

/// The changes for `request`. When they only make interfaces, there is more to do: what settings these have shows then.
pub(super) fn up(request: &Request, machine: &Machine, record: &Record) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        steps: Vec::new(),
        record: record.clone(),
        notes: Vec::new(),
    };
    let wanted: BTreeMap<IpAddr, String> = request
        .addresses
        .iter()
        .map(|&address| {
            let own = || request.method.interface(address).to_owned();
            (address, request.interface.clone().unwrap_or_else(own))
        })
        .collect();
    for (&address, interface) in &wanted {
        fits(address, request.method, interface, machine, record)?;
    }
    let interfaces: BTreeSet<&String> = wanted.values().collect();
    for &interface in &interfaces {
        if machine.interfaces.contains_key(interface) {
            continue;
        }
        let Some(kind) = Tunnel::of(interface) else {
            return Err(PlanError::NoSuchInterface(interface.clone()));
        };
        let before = plan.record.links.entry(interface.clone());
        before.or_insert(LinkBefore::Absent);
        let interface = interface.clone();
        plan.steps.push(Step::AddTunnel { interface, kind });
    }
    if !plan.steps.is_empty() {
        return Ok(plan);
    }
    // Settings first: from its first moment on nobody may learn of the address.
    for (&address, interface) in &wanted {
        for need in needs(address, request.method, interface) {
            plan.fulfil(need, machine)?;
        }
    }
    for &interface in &interfaces {
        if !machine.interfaces.get(interface).is_some_and(|one| one.up) {
            let before = plan.record.links.entry(interface.clone());
            before.or_insert(LinkBefore::Down);
            plan.steps.push(Step::SetLink {
                interface: interface.clone(),
                to: Switch::On,
            });
        }
    }
    for (address, interface) in wanted {
        plan.hold(address, request.method, interface, machine);
    }
    Ok(plan)
}

/// The changes that take `addresses` back, or all that are recorded if none are named.
pub(super) fn down(
    addresses: &[IpAddr],
    machine: &Machine,
    record: &Record,
) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        steps: Vec::new(),
        record: record.clone(),
        notes: Vec::new(),
    };
    let all: Vec<IpAddr> = record.virtual_addresses.keys().copied().collect();
    let named: BTreeSet<IpAddr> = addresses.iter().copied().collect();
    for &address in if named.is_empty() { &all } else { addresses } {
        if !record.virtual_addresses.contains_key(&address) {
            return Err(PlanError::NotSetUp(address));
        }
        if let Some(entry) = plan.record.virtual_addresses.remove(&address) {
            plan.release(address, entry, machine);
        }
    }
    let remaining = plan.record.virtual_addresses.iter();
    let (mut needed, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (&address, entry) in remaining {
        used.insert(entry.interface.clone());
        let needs = needs(address, entry.method, &entry.interface);
        needed.extend(needs.into_iter().map(|need| need.key));
    }
    plan.restore_sysctls(&needed, machine);
    plan.restore_links(&used, machine);
    Ok(plan)
}

/// Is there nothing in the way of `address`?
fn fits(
    address: IpAddr,
    method: Method,
    interface: &str,
    machine: &Machine,
    record: &Record,
) -> Result<(), PlanError> {
    if let Some(entry) = record.virtual_addresses.get(&address)
        && (entry.method != method || entry.interface != interface)
    {
        return Err(PlanError::OtherSetup {
            address,
            method: entry.method,
            interface: entry.interface.clone(),
        });
    }
    for (place, held) in machine.places(address) {
        let place = place.to_owned();
        if place != interface {
            return Err(PlanError::Elsewhere {
                address,
                interface: place,
            });
        }
        if held.net.prefix_len() != held.net.max_prefix_len() {
            return Err(PlanError::Prefix {
                net: held.net,
                interface: place,
            });
        }
    }
    Ok(())
}

/// IPv6 needs no settings: neighbours are answered for addresses of the interface that was asked only, and its reverse path is
/// not checked.
fn needs(address: IpAddr, method: Method, interface: &str) -> Vec<Need> {
    if address.is_ipv6() {
        return Vec::new();
    }
    let mut needs = Vec::new();
    for place in ["all", interface] {
        for (name, rule) in [
            ("arp_ignore", Rule::ArpIgnore),
            ("arp_announce", Rule::ArpAnnounce),
        ] {
            let key = Key::ipv4(place, name);
            needs.push(Need { key, rule });
        }
    }
    if method == Method::Tunnel {
        let key = Key::ipv4(interface, "rp_filter");
        let rule = Rule::ReversePath;
        needs.push(Need { key, rule });
    }
    needs
}

impl Rule {
    /// What the setting has to become, if its value `now` will not do.
    fn correct(self, now: i64, machine: &Machine) -> Option<&'static str> {
        match self {
            Self::ArpAnnounce => (now < 2).then_some("2"),
            Self::ArpIgnore => (!matches!(now, 1 | 2 | 8)).then_some("1"),
            Self::ReversePath => {
                // The greater of the two counts, and 2 is looser than 1: `all` need not be touched.
                let all = machine.number(&Key::ipv4("all", "rp_filter"));
                let all = all.unwrap_or_default();
                (now.max(all) == 1).then_some(if all == 1 { "2" } else { "0" })
            }
        }
    }
}

impl Plan {
    fn fulfil(&mut self, need: Need, machine: &Machine) -> Result<(), PlanError> {
        let Need { key, rule } = need;
        let (Some(text), Some(now)) = (machine.sysctls.get(&key), machine.number(&key)) else {
            return Err(PlanError::NoSuchSetting(key));
        };
        let Some(to) = rule.correct(now, machine) else {
            return Ok(());
        };
        let step = Step::SetSysctl {
            key: key.clone(),
            from: text.clone(),
            to: to.to_owned(),
        };
        // Several addresses need the same.
        if self.steps.contains(&step) {
            return Ok(());
        }
        self.steps.push(step);
        let change = self.record.sysctls.entry(key).or_insert_with(|| Change {
            before: text.clone(),
            set: String::new(),
        });
        to.clone_into(&mut change.set);
        Ok(())
    }

    fn hold(&mut self, address: IpAddr, method: Method, interface: String, machine: &Machine) {
        let present = machine.places(address).next().is_some();
        let known = self.record.virtual_addresses.get(&address);
        let owner = match (present, known) {
            (true, Some(entry)) => entry.owner,
            (true, None) => Owner::Administrator,
            (false, _) => Owner::Director,
        };
        if !present {
            let interface = interface.clone();
            self.steps.push(Step::AddAddress { interface, address });
        } else if owner == Owner::Administrator {
            self.notes.push(format!(
                "{address} is on {interface} already, and will stay there"
            ));
        }
        let entry = Entry {
            method,
            interface,
            owner,
        };
        self.record.virtual_addresses.insert(address, entry);
    }

    fn release(&mut self, address: IpAddr, entry: Entry, machine: &Machine) {
        let Entry {
            interface, owner, ..
        } = entry;
        let present = machine.places(address).any(|(place, held)| {
            place == interface && held.net.prefix_len() == held.net.max_prefix_len()
        });
        match (owner, present) {
            (Owner::Director, true) => {
                self.steps.push(Step::RemoveAddress { interface, address });
            }
            (Owner::Director, false) => {
                self.notes
                    .push(format!("{address} is not on {interface} any more"));
            }
            (Owner::Administrator, _) => self.notes.push(format!(
                "{address} stays on {interface}: it was there before"
            )),
        }
    }

    fn restore_sysctls(&mut self, needed: &BTreeSet<Key>, machine: &Machine) {
        let all = std::mem::take(&mut self.record.sysctls);
        for (key, change) in all {
            if needed.contains(&key) {
                self.record.sysctls.insert(key, change);
                continue;
            }
            match machine.sysctls.get(&key) {
                Some(now) if *now == change.set => self.steps.push(Step::SetSysctl {
                    key,
                    from: change.set,
                    to: change.before,
                }),
                Some(now) if *now != change.before => self.notes.push(format!(
                    "{key} stays {now}: somebody has changed it since (it was {}, then {})",
                    change.before, change.set
                )),
                // As it was, or gone with its interface.
                Some(_) | None => {}
            }
        }
    }

    fn restore_links(&mut self, used: &BTreeSet<String>, machine: &Machine) {
        let all = std::mem::take(&mut self.record.links);
        for (name, before) in all {
            if used.contains(&name) {
                self.record.links.insert(name, before);
                continue;
            }
            let Some(interface) = machine.interfaces.get(&name) else {
                continue;
            };
            let removed = |address: IpAddr| {
                self.steps
                    .iter()
                    .any(|step| matches!(step, Step::RemoveAddress { address: gone, .. } if *gone == address))
            };
            let others = interface.addresses.iter().map(|held| held.net.addr());
            let others = others.filter(|&address| !comes_by_itself(address) && !removed(address));
            if others.count() > 0 {
                self.notes
                    .push(format!("{name} stays up: there are other addresses on it"));
                continue;
            }
            if interface.up {
                self.steps.push(Step::SetLink {
                    interface: name.clone(),
                    to: Switch::Off,
                });
            }
            if let (LinkBefore::Absent, Some(kind)) = (before, Tunnel::of(&name)) {
                let interface = name;
                self.steps.push(Step::RemoveTunnel { interface, kind });
            }
        }
    }
}

/// The kernel adds such an address when an interface comes up.
fn comes_by_itself(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;

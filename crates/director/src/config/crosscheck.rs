//! What concerns several sections.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use locum_ipvs::ServiceKey;

use super::diagnostic::Diagnostic;
use super::ipvs::Synchronised;
use super::section::Report;
use super::virtual_router::Located;
use super::{service, suggest};

pub(super) fn check(
    routers: &[Located],
    services: &[service::Located],
    sync: Option<&Synchronised>,
    report: &mut Report,
) {
    let router_names = routers.iter().filter_map(|router| router.name.as_ref());
    names("virtual routers", router_names, report);
    identities(routers, report);
    addresses(routers, report);
    let service_names = services.iter().filter_map(|service| service.name.as_ref());
    names("virtual services", service_names, report);
    keys(services, report);
    if let Some(sync) = sync {
        synchronised(sync, routers, services, report);
    }
}

/// Keys that must be unique, with where each was first.
#[derive(Debug)]
pub(super) struct Unique<K>(BTreeMap<K, Range<usize>>);

impl<K: Ord> Unique<K> {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Where `key` was before.
    pub(super) fn insert(&mut self, key: K, span: &Range<usize>) -> Option<Range<usize>> {
        match self.0.entry(key) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(vacant) => {
                vacant.insert(span.clone());
                None
            }
        }
    }
}

pub(super) fn names<'n>(
    what: &str,
    names: impl Iterator<Item = &'n (String, Range<usize>)>,
    report: &mut Report,
) {
    let mut seen = Unique::new();
    for (name, span) in names {
        if let Some(first) = seen.insert(name, span) {
            report.add(
                Diagnostic::new(format!("two {what} are called \"{name}\""))
                    .at(span.clone())
                    .label("the second")
                    .related(first, "the first")
                    .help("give one of them another name"),
            );
        }
    }
}

fn keys(services: &[service::Located], report: &mut Report) {
    let mut seen = Unique::new();
    // One message is enough for ranges that overlap.
    let mut noted = None;
    for (key, span) in services.iter().flat_map(|service| &service.keys) {
        if let Some(first) = seen.insert(key, span)
            && noted.as_ref() != Some(span)
        {
            noted = Some(span.clone());
            report.add(
                Diagnostic::new(format!("there are two virtual services for {}", shown(key)))
                    .at(span.clone())
                    .label("the second")
                    .related(first, "the first")
                    .help("put the servers of both into one of them, and remove the other"),
            );
        }
    }
}

fn shown(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Endpoint { .. } => key.to_string(),
        ServiceKey::FirewallMark { mark, .. } => format!("the firewall mark {mark}"),
    }
}

fn synchronised(
    sync: &Synchronised,
    routers: &[Located],
    services: &[service::Located],
    report: &mut Report,
) {
    let names: Vec<&str> = routers
        .iter()
        .filter_map(|router| Some(router.name.as_ref()?.0.as_str()))
        .collect();
    let known: BTreeSet<&str> = names.iter().copied().collect();
    for (name, span) in sync.routers.iter().flatten() {
        if !known.contains(name.as_str()) {
            report.add(no_such_router(name, span, &names));
        }
    }
    if routers.is_empty() && sync.routers.is_none() {
        report.add(
            Diagnostic::new("connections are copied by a master to a backup")
                .at(sync.span.clone())
                .label("there is no virtual router that could be either")
                .help("add a [[virtual_router]], or remove `sync`"),
        );
    }
    if let Some(mixed) = services.iter().find_map(|service| service.mixed.as_ref()) {
        report.add(
            Diagnostic::new("no connections are copied where a server is of another family")
                .at(sync.span.clone())
                .label("the kernel refuses to")
                .related(mixed.clone(), "another family than its service")
                .help("remove `sync`, or use servers of the services' families"),
        );
    }
}

pub(super) fn no_such_router(name: &str, span: &Range<usize>, names: &[&str]) -> Diagnostic {
    let label = match suggest::nearest(name, names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "none is called so".to_owned(),
    };
    Diagnostic::new(format!("there is no virtual router \"{name}\""))
        .at(span.clone())
        .label(label)
        .help(format!("the virtual routers are {}", suggest::list(names)))
}

fn identities(routers: &[Located], report: &mut Report) {
    let mut seen = Unique::new();
    for router in routers {
        let (Some(interface), Some((vrid, span)), Some((address, _))) =
            (&router.interface, &router.vrid, router.addresses.first())
        else {
            continue;
        };
        let (ipv6, family) = match address {
            IpNet::V4(_) => (false, "IPv4"),
            IpNet::V6(_) => (true, "IPv6"),
        };
        if let Some(first) = seen.insert((interface, ipv6, *vrid), span) {
            report.add(
                Diagnostic::new(format!(
                    "two {family} routers on {interface} have the VRID {vrid}"
                ))
                .at(span.clone())
                .label("the second")
                .related(first, "the first")
                .help("a VRID is unique for an interface and address family: use another one"),
            );
        }
    }
}

fn addresses(routers: &[Located], report: &mut Report) {
    let mut seen = Unique::new();
    for router in routers {
        for (address, span) in &router.addresses {
            let address = address.addr();
            // A link-local address means another host on each link.
            let scope = if is_link_local(address) {
                router.interface.as_ref()
            } else {
                None
            };
            if let Some(first) = seen.insert((scope, address), span) {
                report.add(
                    Diagnostic::new(format!("the address {address} is used twice"))
                        .at(span.clone())
                        .label("the second time")
                        .related(first, "the first")
                        .help("an address belongs to one virtual router: remove it from the other"),
                );
            }
        }
    }
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    thread_local! {
        static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    /// A number that counts how often it is compared.
    #[derive(Debug, PartialEq, Eq)]
    struct Counting(usize);

    impl Ord for Counting {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counting {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    #[test]
    fn what_must_be_unique_is_not_compared_with_everything() {
        let mut seen = Unique::new();
        for number in 0..10_000 {
            assert_eq!(seen.insert(Counting(number), &(number..number)), None);
        }
        assert_eq!(seen.insert(Counting(7), &(1..2)), Some(7..7));
        assert!(COMPARISONS.get() < 10_000 * 40, "{}", COMPARISONS.get());
    }
}

//! What concerns several virtual routers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use super::diagnostic::Diagnostic;
use super::section::Report;
use super::virtual_router::Located;

pub(super) fn check(routers: &[Located], report: &mut Report) {
    names(routers, report);
    identities(routers, report);
    addresses(routers, report);
}

/// Keys that must be unique, with where each was first.
struct Unique<K>(BTreeMap<K, Range<usize>>);

impl<K: Ord> Unique<K> {
    const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Where `key` was before.
    fn insert(&mut self, key: K, span: &Range<usize>) -> Option<Range<usize>> {
        match self.0.entry(key) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(vacant) => {
                vacant.insert(span.clone());
                None
            }
        }
    }
}

fn names(routers: &[Located], report: &mut Report) {
    let mut seen = Unique::new();
    for (name, span) in routers.iter().filter_map(|router| router.name.as_ref()) {
        if let Some(first) = seen.insert(name, span) {
            report.add(
                Diagnostic::new(format!("two virtual routers are called \"{name}\""))
                    .at(span.clone())
                    .label("the second")
                    .related(first, "the first")
                    .help("give one of them another name"),
            );
        }
    }
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

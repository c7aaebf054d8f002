//! What identifies a virtual service: `address`, `addresses`, or `mark` with `family`, and `protocol`.

use std::num::NonZeroU32;
use std::ops::Range;

use locum_ipvs::{IpFamily, Protocol, ServiceKey};

use super::diagnostic::Diagnostic;
use super::endpoint;
use super::section::{Entry, Report, Section};

const PROTOCOLS: [(&str, Protocol); 3] = [
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("sctp", Protocol::SCTP),
];
const FAMILIES: [(&str, IpFamily); 2] = [("ipv4", IpFamily::V4), ("ipv6", IpFamily::V6)];

/// More addresses than this in a file are taken for a mistake.
pub(super) const MOST: usize = 65_536;

/// The keys, as they are in the file.
pub(super) struct Identity<'t> {
    address: Option<Entry<'t>>,
    addresses: Option<Entry<'t>>,
    mark: Option<Entry<'t>>,
    family: Option<Entry<'t>>,
    protocol: Option<Entry<'t>>,
    header: Range<usize>,
}

impl<'t> Identity<'t> {
    pub(super) fn take(section: &mut Section<'t>) -> Self {
        Self {
            address: section.take("address"),
            addresses: section.take("addresses"),
            mark: section.take("mark"),
            family: section.take("family"),
            protocol: section.take("protocol"),
            header: section.header(),
        }
    }

    /// What identifies the service in the kernel, with the places. The family of a mark is that of all `servers`,
    /// unless the file says it; `left` is how many addresses there may be.
    pub(super) fn keys(
        &self,
        servers: impl Iterator<Item = IpFamily>,
        left: &mut usize,
        report: &mut Report,
    ) -> Vec<(ServiceKey, Range<usize>)> {
        let given = [&self.address, &self.addresses, &self.mark];
        let mut given = given.into_iter().flatten();
        let (first, second) = (given.next(), given.next());
        if let (Some(first), Some(second)) = (first, second) {
            let message = format!("`{}` beside `{}`", second.key, first.key);
            report.add(
                second
                    .wrong(message, "one of the two is too much")
                    .related(first.span.clone(), "the other")
                    .help("put all addresses into `addresses`; a firewall mark is a service of its own"),
            );
            return Vec::new();
        }
        let Some(entry) = first else {
            let missing = Diagnostic::new("`address` is missing").at(self.header.clone());
            report.add(
                missing
                    .label("[[virtual_service]] has no `address`, `addresses` or `mark`")
                    .help("add a line like address = \"192.0.2.10:80\""),
            );
            return Vec::new();
        };
        if self.mark.is_some() {
            let key = self.marked(entry, servers, report);
            return key
                .map(|key| (key, entry.span.clone()))
                .into_iter()
                .collect();
        }
        if let Some(family) = &self.family {
            let wrong = family.wrong("`family` without `mark`", "would have no effect");
            report.add(wrong.help("remove it: the addresses say what they are"));
        }
        let protocol = match &self.protocol {
            Some(entry) => entry.choice(&PROTOCOLS, report),
            None => Some(Protocol::TCP),
        };
        let entries = if self.address.is_some() {
            vec![entry.clone()]
        } else {
            several(entry, report)
        };
        // Wrong addresses are to be noted even where the protocol is wrong.
        let protocol_or_any = protocol.unwrap_or(Protocol::TCP);
        let keys = endpoints(&entries, protocol_or_any, left, report);
        if protocol.is_some() { keys } else { Vec::new() }
    }

    fn marked(
        &self,
        mark: &Entry<'_>,
        mut servers: impl Iterator<Item = IpFamily>,
        report: &mut Report,
    ) -> Option<ServiceKey> {
        if let Some(protocol) = &self.protocol {
            let wrong = protocol.wrong("`protocol` beside `mark`", "would have no effect");
            report.add(wrong.help("remove it: the firewall decides what it marks"));
        }
        let number = NonZeroU32::new(mark.number(1..=u32::MAX, report)?)?;
        let family = if let Some(family) = &self.family {
            family.choice(&FAMILIES, report)?
        } else {
            let first = servers.next();
            if let Some(first) = first
                && servers.any(|family| family != first)
            {
                let wrong = mark.wrong("IPv4 or IPv6?", "the servers are of both families");
                report.add(wrong.help(
                    "add family = \"ipv4\" or \"ipv6\": that of the packets that are marked",
                ));
                return None;
            }
            first.unwrap_or(IpFamily::V4)
        };
        Some(ServiceKey::FirewallMark {
            family,
            mark: number,
        })
    }
}

fn several<'t>(entry: &Entry<'t>, report: &mut Report) -> Vec<Entry<'t>> {
    let entries = entry.elements("\"192.0.2.10:80\"", report);
    if entries.as_ref().is_some_and(Vec::is_empty) {
        let wrong = entry.wrong("a virtual service has at least one address", "empty");
        report.add(wrong.help("write it like [\"192.0.2.10:80\", \"[2001:db8::10]:80\"]"));
    }
    entries.unwrap_or_default()
}

fn endpoints(
    entries: &[Entry<'_>],
    protocol: Protocol,
    left: &mut usize,
    report: &mut Report,
) -> Vec<(ServiceKey, Range<usize>)> {
    let mut keys = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(block) = endpoint::block(entry, report) else {
            continue;
        };
        let Some(rest) = left.checked_sub(block.count()) else {
            let wrong = entry.wrong(
                format!("more than {MOST} virtual addresses"),
                "with these it would be more",
            );
            report.add(wrong.help(
                "each address is a service of the kernel; let the firewall mark packets to that many, and use `mark`",
            ));
            continue;
        };
        *left = rest;
        let addresses = block.addresses();
        keys.extend(
            addresses.map(|address| (ServiceKey::endpoint(protocol, address), entry.span.clone())),
        );
    }
    keys
}

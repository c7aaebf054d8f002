//! `addresses` of a virtual router.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use locum_vrrp::Version;

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report, Section};

/// The count of an advertisement is one byte (RFC 9568 §5.2.5).
const MOST: usize = 255;

pub(super) fn read(
    section: &mut Section<'_>,
    version: Version,
    report: &mut Report,
) -> Vec<(IpNet, Range<usize>)> {
    let example = "\"192.0.2.10/24\"";
    let Some(entry) = section.require("addresses", &format!("[{example}]"), report) else {
        return Vec::new();
    };
    let Some(elements) = entry.elements(example, report) else {
        return Vec::new();
    };
    if elements.is_empty() || elements.len() > MOST {
        let label = format!("there are {}", elements.len());
        let wrong = entry.wrong(format!("a virtual router has 1 to {MOST} addresses"), label);
        report.add(wrong.help("split them over several virtual routers, or add one"));
        return Vec::new();
    }
    let mut addresses: Vec<(IpNet, Range<usize>)> = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(address) = address(element, version, report) else {
            continue;
        };
        if let Some((first, span)) = addresses.first()
            && matches!(first, IpNet::V4(_)) != matches!(address, IpNet::V4(_))
        {
            report.add(
                other_family(element, "the first address")
                    .related(span.clone(), "the first address")
                    .help("make a second [[virtual_router]] for it; it may have the same vrid"),
            );
            continue;
        }
        addresses.push((address, element.span.clone()));
    }
    addresses
}

fn address(element: &Entry<'_>, version: Version, report: &mut Report) -> Option<IpNet> {
    let address = parse(element, report)?;
    let (message, label) = if version == Version::V2 && address.addr().is_ipv6() {
        ("version 2 has no IPv6", "an IPv6 address")
    } else if let Some(kind) = unusable(address) {
        ("this cannot be a virtual address", kind)
    } else {
        return Some(address);
    };
    let help = if version == Version::V2 {
        "use version = 3, or an IPv4 address"
    } else {
        "use the address of a host"
    };
    report.add(element.wrong(message, label).help(help));
    None
}

/// An address with or without a prefix length.
fn parse(element: &Entry<'_>, report: &mut Report) -> Option<IpNet> {
    let text = element.string("192.0.2.10/24", report)?;
    let parsed = match text.parse::<IpAddr>() {
        Ok(bare) => Some(IpNet::from(bare)),
        Err(_) => text.parse().ok(),
    };
    if parsed.is_none() {
        report.add(
            element
                .wrong(format!("\"{text}\" is not an address"), "not understood")
                .help("write an address and the length of its prefix, as in \"192.0.2.10/24\" or \"2001:db8::10/64\""),
        );
    }
    parsed
}

fn unusable(address: IpNet) -> Option<&'static str> {
    let addr = address.addr();
    if addr.is_multicast() {
        Some("a multicast address")
    } else if addr.is_unspecified() {
        Some("the unspecified address")
    } else if addr.is_loopback() {
        Some("a loopback address")
    } else if let IpNet::V4(net) = address
        && net.prefix_len() < 31
        && (net.addr() == net.network() || net.addr() == net.broadcast())
    {
        Some("the first or last address of its network, which no host has")
    } else {
        None
    }
}

pub(super) fn other_family(entry: &Entry<'_>, than: &str) -> Diagnostic {
    entry
        .wrong(
            "IPv4 and IPv6 do not mix in a virtual router",
            format!("another family than {than}"),
        )
        .help("use an address of the same family")
}

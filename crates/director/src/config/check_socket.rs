//! Where a probe leaves this machine from.

use std::net::IpAddr;
use std::ops::Range;

use locum_health::SocketOptions;

use super::section::{Report, Section};
use super::virtual_router;

/// A source address, with its place.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) ip: IpAddr,
    pub(super) span: Range<usize>,
}

pub(super) fn read(
    section: &mut Section<'_>,
    report: &mut Report,
) -> (SocketOptions, Option<Source>) {
    let mut socket = SocketOptions::default();
    let mut source = None;
    if let Some(entry) = section.take("source")
        && let Some(ip) = entry.parsed::<IpAddr>("an address", "192.0.2.2", report)
    {
        if ip.is_multicast() || ip.is_unspecified() {
            let wrong = entry.wrong(
                "nothing can be sent from this address",
                "not an address of a host",
            );
            report.add(wrong.help("use an address of this machine, or remove the line"));
        }
        socket.source = Some(ip);
        source = Some(Source {
            ip,
            span: entry.span,
        });
    }
    if let Some(entry) = section.take("device") {
        socket.device = virtual_router::interface(&entry, report);
    }
    if let Some(entry) = section.take("mark") {
        socket.mark = entry.number(1..=u32::MAX, report);
    }
    (socket, source)
}

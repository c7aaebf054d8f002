//! Echo requests and replies.

use std::net::IpAddr;

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Type, InternetSlice, LinkSlice, SlicedPacket,
    TransportSlice,
};

use crate::Mac;

/// An echo request: ICMP header and the probe's number. The kernel writes the checksum of ICMPv6 (RFC 3542 §3.1).
pub(super) fn request(target: IpAddr, id: u16, sequence: u32) -> [u8; 12] {
    let payload = sequence.to_be_bytes();
    // The number's low half, as ping does; the whole is in the payload.
    let [_, _, high, low] = payload;
    let echo = IcmpEchoHeader {
        id,
        seq: u16::from_be_bytes([high, low]),
    };
    let checksum = match target {
        IpAddr::V4(_) => {
            Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), &payload).checksum
        }
        IpAddr::V6(_) => 0,
    };
    let kind = if target.is_ipv4() { 8 } else { 128 };
    let ([c0, c1], [i0, i1], [p0, p1, p2, p3]) =
        (checksum.to_be_bytes(), id.to_be_bytes(), payload);
    [kind, 0, c0, c1, i0, i1, high, low, p0, p1, p2, p3]
}

/// Who answered which probe, if `frame` is an answer of `target` to prober `id`.
pub(super) fn reply(frame: &[u8], target: IpAddr, id: u16) -> Option<(Mac, u32)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(LinkSlice::Ethernet2(ethernet)) = packet.link else {
        return None;
    };
    let source: IpAddr = match packet.net? {
        InternetSlice::Ipv4(v4) => v4.header().source_addr().into(),
        InternetSlice::Ipv6(v6) => v6.header().source_addr().into(),
        InternetSlice::Arp(_) => return None,
    };
    if source != target {
        return None;
    }
    let (echo, payload) = match packet.transport? {
        TransportSlice::Icmpv4(icmp) => {
            let Icmpv4Type::EchoReply(echo) = icmp.icmp_type() else {
                return None;
            };
            (echo, icmp.payload())
        }
        TransportSlice::Icmpv6(icmp) => {
            let Icmpv6Type::EchoReply(echo) = icmp.icmp_type() else {
                return None;
            };
            (echo, icmp.payload())
        }
        TransportSlice::Igmp(_) | TransportSlice::Tcp(_) | TransportSlice::Udp(_) => return None,
    };
    let number = payload.first_chunk().copied().map(u32::from_be_bytes)?;
    (echo.id == id).then(|| (Mac::new(ethernet.source()), number))
}

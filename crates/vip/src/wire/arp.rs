//! Gratuitous ARP, and the question whether somebody has an address (RFC 826, RFC 5227).

use std::net::Ipv4Addr;

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, EtherType, Ethernet2Header, LinkSlice, NetSlice, SlicedPacket,
};

use super::MacAddress;

/// Bytes of a frame, without the padding that the network card adds.
pub const FRAME_LENGTH: usize = Ethernet2Header::LEN + ArpEthIpv4Packet::LEN;

const BROADCAST: MacAddress = [0xff; 6];

/// The broadcast request "who has `address`? tell `address`": what most neighbours learn from.
///
/// Its target hardware address, which RFC 826 leaves open, is the broadcast address as in keepalived's frames.
#[must_use]
pub fn gratuitous_request(source: MacAddress, address: Ipv4Addr) -> [u8; FRAME_LENGTH] {
    frame(ArpOperation::REQUEST, source, address, BROADCAST)
}

/// The broadcast reply "`address` is at `source`", for neighbours that learn from replies only.
///
/// Its target hardware address is the sender's: Linux takes no other reply for a gratuitous one.
#[must_use]
pub fn gratuitous_reply(source: MacAddress, address: Ipv4Addr) -> [u8; FRAME_LENGTH] {
    frame(ArpOperation::REPLY, source, address, source)
}

/// The broadcast question "who has `address`?" of somebody without an address, which changes nobody's memory (RFC 5227
/// §2.1.1).
#[must_use]
pub fn probe(source: MacAddress, address: Ipv4Addr) -> [u8; FRAME_LENGTH] {
    let request = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: source,
        sender_ipv4: [0; 4],
        target_mac: [0; 6],
        target_ipv4: address.octets(),
    };
    broadcast(source, &request)
}

/// Who says in `frame`, whatever it asks or answers, that an address is its own (RFC 5227 §2.1.1); `None` if it is not
/// ARP for IPv4 over Ethernet, or a probe.
#[must_use]
pub fn claim(frame: &[u8]) -> Option<(MacAddress, Ipv4Addr)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(LinkSlice::Ethernet2(_)), Some(NetSlice::Arp(arp))) = (packet.link, packet.net)
    else {
        return None;
    };
    let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).ok()?;
    let address = Ipv4Addr::from(arp.sender_ipv4);
    (!address.is_unspecified()).then_some((arp.sender_mac, address))
}

fn frame(
    operation: ArpOperation,
    source: MacAddress,
    address: Ipv4Addr,
    target_mac: MacAddress,
) -> [u8; FRAME_LENGTH] {
    let arp = ArpEthIpv4Packet {
        operation,
        sender_mac: source,
        sender_ipv4: address.octets(),
        target_mac,
        target_ipv4: address.octets(),
    };
    broadcast(source, &arp)
}

fn broadcast(source: MacAddress, arp: &ArpEthIpv4Packet) -> [u8; FRAME_LENGTH] {
    let ethernet = Ethernet2Header {
        source,
        destination: BROADCAST,
        ether_type: EtherType::ARP,
    };
    let mut frame = [0; FRAME_LENGTH];
    let (head, body) = frame.split_at_mut(Ethernet2Header::LEN);
    head.copy_from_slice(&ethernet.to_bytes());
    body.copy_from_slice(&arp.to_bytes());
    frame
}

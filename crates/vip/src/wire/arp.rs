//! Gratuitous ARP (RFC 826, RFC 5227 §3).

use std::net::Ipv4Addr;

use etherparse::{ArpEthIpv4Packet, ArpOperation, EtherType, Ethernet2Header};

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

fn frame(
    operation: ArpOperation,
    source: MacAddress,
    address: Ipv4Addr,
    target_mac: MacAddress,
) -> [u8; FRAME_LENGTH] {
    let ethernet = Ethernet2Header {
        source,
        destination: BROADCAST,
        ether_type: EtherType::ARP,
    };
    let arp = ArpEthIpv4Packet {
        operation,
        sender_mac: source,
        sender_ipv4: address.octets(),
        target_mac,
        target_ipv4: address.octets(),
    };
    let mut frame = [0; FRAME_LENGTH];
    let (head, body) = frame.split_at_mut(Ethernet2Header::LEN);
    head.copy_from_slice(&ethernet.to_bytes());
    body.copy_from_slice(&arp.to_bytes());
    frame
}

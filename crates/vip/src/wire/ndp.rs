//! Unsolicited neighbour advertisements (RFC 4861 §7.2.6).

use std::net::Ipv6Addr;

use etherparse::icmpv6::NeighborAdvertisementHeader;
use etherparse::{
    EtherType, Ethernet2Header, Icmpv6Header, Icmpv6Type, IpNumber, Ipv6FlowLabel, Ipv6Header,
};

use super::MacAddress;

/// Bytes of a frame.
pub const FRAME_LENGTH: usize = Ethernet2Header::LEN + Ipv6Header::LEN + MESSAGE;

/// ICMPv6 header with flags, target address, target link-layer address option.
const MESSAGE: usize = 8 + PAYLOAD;
const PAYLOAD: usize = 16 + 8;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddress = [0x33, 0x33, 0, 0, 0, 1];

/// RFC 4861 §7.1.2: anything else is discarded, since a router must have touched it.
const HOP_LIMIT: u8 = 255;

/// Type and length (in units of eight bytes) of the option, RFC 4861 §4.6.1.
const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];

/// What the sender says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one bit of the message")]
pub enum Role {
    /// It does not forward packets.
    Host,
    /// It forwards: without this, neighbours that use the address as their default router would stop
    /// (RFC 4861 §7.2.5).
    Router,
}

/// The advertisement "`address` is at `source`, forget what you knew", to all nodes of the link, from `address`.
#[must_use]
pub fn unsolicited_advertisement(
    source: MacAddress,
    address: Ipv6Addr,
    role: Role,
) -> [u8; FRAME_LENGTH] {
    let mut payload = [0; PAYLOAD];
    let (target, option) = payload.split_at_mut(16);
    target.copy_from_slice(&address.octets());
    let (kind, mac) = option.split_at_mut(2);
    kind.copy_from_slice(&TARGET_LINK_LAYER_ADDRESS);
    mac.copy_from_slice(&source);

    let flags = NeighborAdvertisementHeader {
        router: role == Role::Router,
        solicited: false,
        r#override: true,
    };
    let icmp = Icmpv6Type::NeighborAdvertisement(flags);
    #[expect(
        clippy::expect_used,
        reason = "only a payload of more than 4 GiB has no checksum"
    )]
    let icmp = Icmpv6Header::with_checksum(icmp, address.octets(), ALL_NODES.octets(), &payload)
        .expect("24 bytes of payload");
    let ip = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        #[expect(clippy::cast_possible_truncation, reason = "a constant, 32")]
        payload_length: MESSAGE as u16,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: HOP_LIMIT,
        source: address.octets(),
        destination: ALL_NODES.octets(),
    };
    let ethernet = Ethernet2Header {
        source,
        destination: ALL_NODES_MAC,
        ether_type: EtherType::IPV6,
    };

    let mut frame = [0; FRAME_LENGTH];
    let (head, rest) = frame.split_at_mut(Ethernet2Header::LEN);
    head.copy_from_slice(&ethernet.to_bytes());
    let (head, rest) = rest.split_at_mut(Ipv6Header::LEN);
    head.copy_from_slice(&ip.to_bytes());
    let (head, rest) = rest.split_at_mut(8);
    head.copy_from_slice(&icmp.to_bytes());
    rest.copy_from_slice(&payload);
    frame
}

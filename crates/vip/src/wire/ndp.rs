//! Unsolicited neighbour advertisements (RFC 4861 §7.2.6), and the question whether somebody has an address
//! (RFC 4862 §5.4.2).

use std::net::Ipv6Addr;

use etherparse::icmpv6::NeighborAdvertisementHeader;
use etherparse::{
    EtherType, Ethernet2Header, Icmpv6Header, Icmpv6Type, IpNumber, Ipv6FlowLabel, Ipv6Header,
    LinkSlice, NetSlice, SlicedPacket, TransportSlice,
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

/// Bytes of a frame that asks.
pub const SOLICITATION_LENGTH: usize = Ethernet2Header::LEN + Ipv6Header::LEN + SOLICITATION;

/// ICMPv6 header, target address.
const SOLICITATION: usize = 8 + 16;

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
    let mut frame = [0; FRAME_LENGTH];
    let addresses = (address, ALL_NODES);
    fill(&mut frame, source, ALL_NODES_MAC, addresses, icmp, &payload);
    frame
}

/// The question "who has `address`?" of somebody without an address, which changes nobody's memory.
#[must_use]
pub fn solicitation(source: MacAddress, address: Ipv6Addr) -> [u8; SOLICITATION_LENGTH] {
    let payload = address.octets();
    let [.., a, b, c] = payload;
    // The solicited-node group: RFC 4291 §2.7.1, RFC 2464 §7.
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut frame = [0; SOLICITATION_LENGTH];
    let to = [0x33, 0x33, 0xff, a, b, c];
    let addresses = (Ipv6Addr::UNSPECIFIED, group);
    let icmp = Icmpv6Type::NeighborSolicitation;
    fill(&mut frame, source, to, addresses, icmp, &payload);
    frame
}

/// Who says in `frame` that an address is its own: the target of a neighbour advertisement, from the frame's sender.
#[must_use]
pub fn claim(frame: &[u8]) -> Option<(MacAddress, Ipv6Addr)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (
        Some(LinkSlice::Ethernet2(ethernet)),
        Some(NetSlice::Ipv6(ip)),
        Some(TransportSlice::Icmpv6(icmp)),
    ) = (packet.link, packet.net, packet.transport)
    else {
        return None;
    };
    let (from, to) = (ip.header().source(), ip.header().destination());
    let advertisement = matches!(icmp.icmp_type(), Icmpv6Type::NeighborAdvertisement(_));
    let valid = ip.header().hop_limit() == HOP_LIMIT && icmp.is_checksum_valid(from, to);
    let target: [u8; 16] = *icmp.slice().get(8..)?.first_chunk()?;
    (advertisement && valid).then(|| (ethernet.source(), target.into()))
}

/// Writes an ICMPv6 message with all its headers into `frame`, which is just as long.
fn fill(
    frame: &mut [u8],
    source: MacAddress,
    destination: MacAddress,
    (from, to): (Ipv6Addr, Ipv6Addr),
    icmp: Icmpv6Type,
    payload: &[u8],
) {
    #[expect(
        clippy::expect_used,
        reason = "only a payload of more than 4 GiB has no checksum"
    )]
    let icmp = Icmpv6Header::with_checksum(icmp, from.octets(), to.octets(), payload)
        .expect("some bytes of payload");
    let ip = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        #[expect(clippy::cast_possible_truncation, reason = "some bytes")]
        payload_length: (8 + payload.len()) as u16,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: HOP_LIMIT,
        source: from.octets(),
        destination: to.octets(),
    };
    let ethernet = Ethernet2Header {
        source,
        destination,
        ether_type: EtherType::IPV6,
    };
    let (head, rest) = frame.split_at_mut(Ethernet2Header::LEN);
    head.copy_from_slice(&ethernet.to_bytes());
    let (head, rest) = rest.split_at_mut(Ipv6Header::LEN);
    head.copy_from_slice(&ip.to_bytes());
    let (head, rest) = rest.split_at_mut(8);
    head.copy_from_slice(&icmp.to_bytes());
    rest.copy_from_slice(payload);
}

//! What the tests share: the messages of `tests/data` and encoding them again.

use std::fs;
use std::path::PathBuf;

use etherparse::{NetSlice, SlicedPacket};
use locum_vrrp_wire::{Advertisement, MULTICAST_IPV4, MULTICAST_IPV6, PseudoHeader};

/// What output buffers hold before.
pub(crate) const FILL: [u8; 3] = [0xa5; 3];

/// A message of a peer, and the packet that carried it.
pub(crate) struct Captured {
    pub(crate) message: Vec<u8>,
    pub(crate) packet: PseudoHeader,
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The bytes of `NAME.hex`.
pub(crate) fn hex(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(data(&format!("{name}.hex"))).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// The messages of `NAME.pcap`.
pub(crate) fn pcap(name: &str) -> Vec<Captured> {
    frames(name).iter().map(|frame| captured(frame)).collect()
}

/// The IP packets of `NAME.pcap`, with what fills up their frames.
pub(crate) fn packets(name: &str) -> Vec<Vec<u8>> {
    frames(name)
        .into_iter()
        .map(|frame| frame[14..].to_vec())
        .collect()
}

/// The Ethernet frames of `NAME.pcap`.
fn frames(name: &str) -> Vec<Vec<u8>> {
    let file = fs::read(data(&format!("{name}.pcap"))).unwrap();
    let (header, mut records) = file.split_at(24);
    assert_eq!(
        header[..4],
        [0xd4, 0xc3, 0xb2, 0xa1],
        "a little-endian pcap file"
    );
    assert_eq!(header[20..], [1, 0, 0, 0], "link type Ethernet");
    let mut frames = Vec::new();
    while let Some((record, rest)) = records.split_at_checked(16) {
        let len = u32::from_le_bytes(record[8..12].try_into().unwrap());
        let (frame, rest) = rest.split_at(usize::try_from(len).unwrap());
        frames.push(frame.to_vec());
        records = rest;
    }
    frames
}

fn captured(frame: &[u8]) -> Captured {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let (packet, payload) = match sliced.net.unwrap() {
        NetSlice::Ipv4(ip) => {
            let (source, destination) = (ip.header().source_addr(), ip.header().destination_addr());
            (
                PseudoHeader::V4 {
                    source,
                    destination,
                },
                ip.payload().clone(),
            )
        }
        NetSlice::Ipv6(ip) => {
            let (source, destination) = (ip.header().source_addr(), ip.header().destination_addr());
            (
                PseudoHeader::V6 {
                    source,
                    destination,
                },
                ip.payload().clone(),
            )
        }
        NetSlice::Arp(_) => panic!("the captures hold no ARP"),
    };
    assert_eq!(payload.ip_number.0, locum_vrrp_wire::IP_PROTOCOL);
    Captured {
        message: payload.payload.to_vec(),
        packet,
    }
}

/// A packet from `source` to the group of its family.
pub(crate) fn multicast(source: &str) -> PseudoHeader {
    match source.parse().unwrap() {
        std::net::IpAddr::V4(source) => PseudoHeader::V4 {
            source,
            destination: MULTICAST_IPV4,
        },
        std::net::IpAddr::V6(source) => PseudoHeader::V6 {
            source,
            destination: MULTICAST_IPV6,
        },
    }
}

/// Encodes behind bytes that must stay.
pub(crate) fn encode(advertisement: &Advertisement, packet: &PseudoHeader) -> Vec<u8> {
    let mut out = FILL.to_vec();
    advertisement.encode_into(packet, &mut out).unwrap();
    let (before, message) = out.split_at(FILL.len());
    assert_eq!(before, FILL);
    assert_eq!(message.len(), advertisement.encoded_len());
    message.to_vec()
}

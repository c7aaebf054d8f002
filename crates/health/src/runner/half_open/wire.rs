//! The segments that are sent, and what can come back (RFC 9293 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//! |          Source Port          |       Destination Port        |
//! |                        Sequence Number                        |
//! |                     Acknowledgment Number                     |
//! | Offset|  0  |      Flags      |            Window             |
//! |           Checksum            |        Urgent Pointer         |
//! |                            Options                            |
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use etherparse::checksum::Sum16BitWords;
use etherparse::{Ipv4HeaderSlice, TcpHeaderSlice};

/// The length of a SYN, with its options…
const SYN_LEN: usize = 32;
/// …and of a RST, without any.
const RESET_LEN: usize = 20;

/// The longest headers that an answer can have: IPv4 and TCP with all their options.
pub(super) const ANSWER_ROOM: usize = 60 + 60;

const TCP: u8 = 6;
/// What an Ethernet can carry, as Linux says it.
const MSS_V4: u16 = 1460;
const MSS_V6: u16 = 1440;
const WINDOW: u16 = 64_240;
/// The offset in words of 32 bits, and the flag.
const OFFSET_AND_SYN: [u8; 2] = [0x80, 0x02];
const OFFSET_AND_RST: [u8; 2] = [0x50, 0x04];
/// Window scale 7 and "selective acknowledgments permitted", padded: some firewalls drop a SYN that offers nothing.
const OPTIONS: [u8; 8] = [1, 3, 3, 7, 1, 1, 4, 2];

/// What a segment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It begins a connection.
    Open,
    /// It ends one, that the target thinks it has (RFC 9293 §3.5.2).
    Reset,
}

/// A segment to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source: IpAddr,
    pub(super) source_port: u16,
    pub(super) target: SocketAddr,
    pub(super) sequence: u32,
    pub(super) purpose: Purpose,
}

/// The bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoded {
    bytes: [u8; SYN_LEN],
    length: usize,
}

impl Encoded {
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

impl Segment {
    /// Its bytes, with the sum of source and target.
    pub(super) fn encode(&self) -> Encoded {
        let mss = match self.target {
            SocketAddr::V4(_) => MSS_V4,
            SocketAddr::V6(_) => MSS_V6,
        };
        let mut bytes = [0; SYN_LEN];
        let mut place = |at: usize, value: &[u8]| {
            for (to, from) in bytes.iter_mut().skip(at).zip(value) {
                *to = *from;
            }
        };
        place(0, &self.source_port.to_be_bytes());
        place(2, &self.target.port().to_be_bytes());
        place(4, &self.sequence.to_be_bytes());
        let length = match self.purpose {
            Purpose::Open => {
                place(12, &OFFSET_AND_SYN);
                place(14, &WINDOW.to_be_bytes());
                place(20, &[2, 4]);
                place(22, &mss.to_be_bytes());
                place(24, &OPTIONS);
                SYN_LEN
            }
            Purpose::Reset => {
                place(12, &OFFSET_AND_RST);
                RESET_LEN
            }
        };
        let mut encoded = Encoded { bytes, length };
        let sum = sum(self.source, self.target.ip(), encoded.as_slice());
        for (to, from) in encoded.bytes.iter_mut().skip(16).zip(sum) {
            *to = from;
        }
        encoded
    }
}

/// The checksum of a segment, whose own is zero (RFC 9293 §3.1, RFC 8200 §8.1).
fn sum(source: IpAddr, target: IpAddr, segment: &[u8]) -> [u8; 2] {
    let mut sum = Sum16BitWords::new();
    for address in [source, target] {
        sum = match address {
            IpAddr::V4(address) => sum.add_4bytes(address.octets()),
            IpAddr::V6(address) => sum.add_16bytes(address.octets()),
        };
    }
    let length = u16::try_from(segment.len()).unwrap_or(u16::MAX);
    sum.add_2bytes([0, TCP])
        .add_2bytes(length.to_be_bytes())
        .add_slice(segment)
        .ones_complement()
        .to_ne_bytes()
}

/// What a segment says about an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// SYN and ACK: somebody listens.
    Accepts,
    /// RST and ACK: nobody does.
    Refuses,
    /// ACK alone: the server takes the SYN for a part of an older connection (RFC 9293 §3.10.7.4).
    Recalls,
}

/// A segment that may be an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) from: SocketAddr,
    pub(super) to_port: u16,
    pub(super) acknowledges: u32,
    pub(super) kind: Kind,
}

impl Answer {
    /// Of a packet of IPv4, as a raw socket gives it.
    pub(super) fn decode_packet(packet: &[u8]) -> Option<Self> {
        let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
        if header.protocol().0 != TCP {
            return None;
        }
        let segment = packet.get(header.slice().len()..)?;
        Self::decode(Ipv4Addr::from(header.source()).into(), segment)
    }

    /// Of a segment. Its sum is the kernel's to look at, or that of the number which it acknowledges: that of a packet
    /// of this machine's own is not filled in yet.
    pub(super) fn decode(from: IpAddr, segment: &[u8]) -> Option<Self> {
        let header = TcpHeaderSlice::from_slice(segment).ok()?;
        let kind = match (header.syn(), header.rst(), header.ack(), header.fin()) {
            (true, false, true, false) => Kind::Accepts,
            (false, true, true, false) => Kind::Refuses,
            (false, false, true, false) => Kind::Recalls,
            _ => return None,
        };
        Some(Self {
            from: SocketAddr::new(from, header.source_port()),
            to_port: header.destination_port(),
            acknowledges: header.acknowledgment_number(),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, TcpHeader};
    use proptest::prelude::*;

    use super::*;

    fn syn(source: &str, target: &str) -> Segment {
        Segment {
            purpose: Purpose::Open,
            source: source.parse().unwrap(),
            source_port: 40_001,
            target: target.parse().unwrap(),
            sequence: 0x0102_0304,
        }
    }

    #[test]
    fn a_syn_of_ipv4() {
        let bytes = syn("192.0.2.1", "192.0.2.2:80").encode();
        let golden = [
            0x9c, 0x41, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x80, 0x02,
            0xfa, 0xf0, 0x4f, 0x85, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x01, 0x03, 0x03, 0x07,
            0x01, 0x01, 0x04, 0x02,
        ];
        assert_eq!(bytes.as_slice(), golden);
    }

    #[test]
    fn a_syn_of_ipv6() {
        let encoded = syn("2001:db8::1", "[2001:db8::2]:80").encode();
        let bytes = encoded.as_slice();
        assert_eq!(bytes[16..18], [0x78, 0x28]);
        assert_eq!(bytes[20..24], [2, 4, 5, 0xa0]);
    }

    #[test]
    fn a_reset() {
        let mut reset = syn("192.0.2.1", "192.0.2.2:80");
        reset.purpose = Purpose::Reset;
        let golden = [
            0x9c, 0x41, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x50, 0x04,
            0x00, 0x00, 0x8b, 0x45, 0x00, 0x00,
        ];
        assert_eq!(reset.encode().as_slice(), golden);
    }

    #[test]
    fn what_answers_and_what_does_not() {
        let from: IpAddr = [192, 0, 2, 2].into();
        let cases = [
            (0x12, Some(Kind::Accepts)),
            (0x14, Some(Kind::Refuses)),
            (0x10, Some(Kind::Recalls)),
            // SYN alone, RST alone, FIN and ACK, SYN and RST and ACK, nothing.
            (0x02, None),
            (0x04, None),
            (0x11, None),
            (0x16, None),
            (0x00, None),
        ];
        for (flags, kind) in cases {
            let mut segment = [0; 20];
            segment[..4].copy_from_slice(&[0, 80, 0x9c, 0x41]);
            segment[8..12].copy_from_slice(&[1, 2, 3, 5]);
            segment[12..14].copy_from_slice(&[0x50, flags]);
            let answer = Answer::decode(from, &segment);
            assert_eq!(answer.map(|answer| answer.kind), kind, "{flags:#x}");
            if let Some(answer) = answer {
                assert_eq!(answer.from, SocketAddr::new(from, 80));
                assert_eq!((answer.to_port, answer.acknowledges), (40_001, 0x0102_0305));
            }
            assert_eq!(Answer::decode(from, &segment[..19]), None);
        }
    }

    proptest! {
        /// Another implementation reads the same and finds the same sum.
        #[test]
        fn others_read_what_was_written(
            source in any::<u32>(), target in any::<u32>(), ports in any::<(u16, u16)>(), sequence in any::<u32>(),
            six in any::<bool>(), high in any::<(u64, u64)>(), reset in any::<bool>(),
        ) {
            let wide = |high: u64, low: u32| (u128::from(high) << 64) | u128::from(low);
            let address = |high, low: u32| if six {
                IpAddr::from(wide(high, low).to_be_bytes())
            } else {
                IpAddr::from(low.to_be_bytes())
            };
            let segment = Segment {
                purpose: if reset { Purpose::Reset } else { Purpose::Open },
                source: address(high.0, source),
                source_port: ports.0,
                target: SocketAddr::new(address(high.1, target), ports.1),
                sequence,
            };
            let encoded = segment.encode();
            let (header, rest) = TcpHeader::from_slice(encoded.as_slice()).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!((header.syn, header.rst), (!reset, reset));
            prop_assert!(!header.ack && !header.fin && !header.psh);
            prop_assert_eq!((header.source_port, header.destination_port), ports);
            prop_assert_eq!(header.sequence_number, sequence);
            let sum = match (segment.source, segment.target.ip()) {
                (IpAddr::V4(source), IpAddr::V4(target)) => {
                    header.calc_checksum_ipv4_raw(source.octets(), target.octets(), &[]).unwrap()
                }
                (IpAddr::V6(source), IpAddr::V6(target)) => {
                    header.calc_checksum_ipv6_raw(source.octets(), target.octets(), &[]).unwrap()
                }
                _ => unreachable!(),
            };
            prop_assert_eq!(header.checksum, sum);
        }

        #[test]
        fn an_answer_in_a_packet_is_found(
            source in any::<[u8; 4]>(), ports in any::<(u16, u16)>(), sequence in any::<u32>(), options in 0_usize..=10,
        ) {
            let builder = PacketBuilder::ipv4(source, [192, 0, 2, 1], 64)
                .tcp(ports.0, ports.1, sequence, 100)
                .syn()
                .ack(sequence)
                .options_raw(&vec![1; options * 4])
                .unwrap();
            let mut packet = Vec::new();
            builder.write(&mut packet, &[]).unwrap();
            let answer = Answer::decode_packet(&packet).unwrap();
            prop_assert_eq!(answer.from, SocketAddr::from((source, ports.0)));
            prop_assert_eq!((answer.to_port, answer.acknowledges, answer.kind), (ports.1, sequence, Kind::Accepts));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..ANSWER_ROOM)) {
            let _any = Answer::decode_packet(&bytes);
            let _any = Answer::decode([192, 0, 2, 2].into(), &bytes);
        }
    }
}

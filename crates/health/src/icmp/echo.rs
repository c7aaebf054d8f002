//! The messages of echo (RFC 792 "Echo or Echo Reply Message", RFC 4443 §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      |     Code      |           Checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Identifier           |        Sequence Number        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Data ...
//! +-+-+-+-+-
//! ```

/// The length of a request: the header and 16 bytes that nobody can guess.
const LENGTH: usize = 8 + 16;

/// What a reply needs at most: the largest IPv4 header and the message.
pub(super) const ROOM: usize = 60 + LENGTH;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What a socket does with ICMP for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Puts in an identifier of the kernel's, and hands over what has it.
    Ping,
    /// Hands over all that the peer sends, for IPv4 with the IP header.
    Raw,
}

/// One request, which can tell what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo {
    family: Family,
    kind: Kind,
    identifier: [u8; 2],
    sequence: [u8; 2],
    data: [u8; 16],
}

impl Echo {
    /// The request that has these bytes as its identifier, sequence number and data.
    pub(super) const fn new(family: Family, kind: Kind, random: [u8; 20]) -> Self {
        let [a, b, c, d, data @ ..] = random;
        Self {
            family,
            kind,
            identifier: [a, b],
            sequence: [c, d],
            data,
        }
    }

    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let mut message = self.message(self.request(), [0, 0]);
        if self.family == Family::V4 {
            message = self.message(self.request(), checksum(&message).to_be_bytes());
        }
        // RFC 3542 §3.1: for IPv6 the kernel does it, which knows the source address.
        message
    }

    fn message(&self, kind: u8, [sum_high, sum_low]: [u8; 2]) -> [u8; LENGTH] {
        let [id_high, id_low] = self.identifier;
        let [sequence_high, sequence_low] = self.sequence;
        let header = [
            kind,
            0,
            sum_high,
            sum_low,
            id_high,
            id_low,
            sequence_high,
            sequence_low,
        ];
        let mut message = [0; LENGTH];
        let from = header.iter().chain(&self.data);
        message
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to = *from);
        message
    }

    const fn request(&self) -> u8 {
        match self.family {
            Family::V4 => 8,
            Family::V6 => 128,
        }
    }

    const fn reply(&self) -> u8 {
        match self.family {
            Family::V4 => 0,
            Family::V6 => 129,
        }
    }

    /// Whether `packet`, as the socket handed it over, is the reply.
    pub(super) fn is_answered_by(&self, packet: &[u8]) -> bool {
        let message = match (self.kind, self.family) {
            (Kind::Raw, Family::V4) => without_ip_header(packet),
            (Kind::Raw, Family::V6) | (Kind::Ping, Family::V4 | Family::V6) => Some(packet),
        };
        message.is_some_and(|message| {
            self.has_header(self.reply(), message) && message.get(8..) == Some(&self.data)
        })
    }

    /// Whether `packet`, the beginning of one that an ICMP error is about, is the request.
    pub(super) fn is_quoted_in(&self, packet: &[u8]) -> bool {
        self.has_header(self.request(), packet)
    }

    fn has_header(&self, kind: u8, message: &[u8]) -> bool {
        let Some((header, _)) = message.split_first_chunk() else {
            return false;
        };
        let [first, code, _, _, id_high, id_low, sequence @ ..]: [u8; 8] = *header;
        let identified = match self.kind {
            Kind::Ping => true,
            Kind::Raw => [id_high, id_low] == self.identifier,
        };
        first == kind && code == 0 && identified && sequence == self.sequence
    }
}

/// RFC 791 §3.1: the low half of the first byte counts words of four bytes.
fn without_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let words = packet.first()? & 0x0f;
    packet.get(usize::from(words) * 4..)
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let sum = message
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u32::from(u16::from_be_bytes([high, low])),
            [high] => u32::from(high) << 8,
            _ => 0,
        })
        .fold(0_u32, u32::wrapping_add);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANDOM: [u8; 20] = [
        0x12, 0x34, 0, 1, b'a', b'b', b'c', b'd', b'e', b'f', b'g', b'h', b'i', b'j', b'k', b'l',
        b'm', b'n', b'o', b'p',
    ];

    /// As `ping` of iputils would send it: the sum was worked out by hand after RFC 1071.
    #[test]
    fn a_request_has_the_bytes_of_the_rfc() {
        let echo = Echo::new(Family::V4, Kind::Raw, RANDOM);
        let bytes = echo.encode();
        assert_eq!(bytes[..2], [8, 0]);
        assert_eq!(bytes[4..], RANDOM);
        // 0x0800 + 0x1234 + 1 + "ab" + "cd" + … + "op" = 0x35d7d, folded 0x5d80.
        assert_eq!(bytes[2..4], (!0x5d80_u16).to_be_bytes());
    }

    #[test]
    fn the_kernel_fills_in_the_sum_of_ipv6() {
        let bytes = Echo::new(Family::V6, Kind::Raw, RANDOM).encode();
        assert_eq!(bytes[..4], [128, 0, 0, 0]);
    }

    fn reply(first: u8) -> Vec<u8> {
        let mut reply = Echo::new(Family::V4, Kind::Raw, RANDOM).encode().to_vec();
        reply[0] = first;
        reply
    }

    #[test]
    fn a_reply_is_told_from_a_request_and_from_replies_to_others() {
        let raw = Echo::new(Family::V6, Kind::Raw, RANDOM);
        assert!(raw.is_answered_by(&reply(129)));
        assert!(!raw.is_answered_by(&reply(128)));
        assert!(!raw.is_answered_by(&reply(129)[..23]));
        for byte in [1, 4, 6, 8, 23] {
            let mut other = reply(129);
            other[byte] ^= 1;
            assert!(!raw.is_answered_by(&other), "byte {byte}");
        }
    }

    #[test]
    fn a_ping_socket_has_an_identifier_of_its_own() {
        let mut other = reply(0);
        other[4] ^= 1;
        assert!(Echo::new(Family::V4, Kind::Ping, RANDOM).is_answered_by(&other));
    }

    #[test]
    fn the_ip_header_before_a_reply_may_have_options() {
        let raw = Echo::new(Family::V4, Kind::Raw, RANDOM);
        for words in [5_u8, 6, 15] {
            let mut packet = vec![0; usize::from(words) * 4];
            packet[0] = 0x40 | words;
            packet.extend(reply(0));
            assert!(raw.is_answered_by(&packet), "{words} words");
        }
    }

    #[test]
    fn eight_bytes_are_enough_to_know_what_an_error_is_about() {
        let raw = Echo::new(Family::V4, Kind::Raw, RANDOM);
        assert!(raw.is_quoted_in(&raw.encode()[..8]));
        assert!(!raw.is_quoted_in(&raw.encode()[..7]));
        let mut other = raw.encode();
        other[5] ^= 1;
        assert!(!raw.is_quoted_in(&other));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(packet in prop::collection::vec(any::<u8>(), 0..128)) {
            for family in [Family::V4, Family::V6] {
                for kind in [Kind::Ping, Kind::Raw] {
                    let echo = Echo::new(family, kind, RANDOM);
                    prop_assert!(!echo.is_answered_by(&packet));
                    prop_assert!(!echo.is_quoted_in(&packet) || packet.get(6..8) == Some(&[0, 1]));
                }
            }
        }

        #[test]
        fn the_sum_over_a_message_with_its_sum_is_nothing(random in any::<[u8; 20]>()) {
            let message = Echo::new(Family::V4, Kind::Raw, random).encode();
            prop_assert_eq!(checksum(&message), 0);
        }
    }
}

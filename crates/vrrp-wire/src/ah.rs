//! IP Authentication Header (RFC 2402) around a v2 message, as keepalived computes it:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  IPv4 header, 20 bytes or more                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next header   | Payload len   |           Reserved            |  112, 4, 0
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |             Security parameters index: the source             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Sequence number                         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Integrity check value (ICV), 12 bytes                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            VRRPv2 message, authentication type 2              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The ICV is HMAC-MD5 (RFC 2403), cut to 96 bits, over all of that with the ICV itself and what changes on the way
//! as zeros: type of service, fragmentation and header checksum, and in unicast the TTL. Against RFC 2402, the TTL of
//! multicast is covered.

mod sequence;

use core::fmt;
use core::net::Ipv4Addr;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use thiserror::Error;

use crate::advertisement::Advertisement;
use crate::authentication::Authentication;
use crate::checksum::Sum;
use crate::pseudo_header::PseudoHeader;
use crate::{IP_PROTOCOL, IP_TTL};

pub use self::sequence::{AhExhausted, AhRecord, AhReplay, AhReplayed, AhSequence};

/// IP protocol number of the authentication header (RFC 2402 §2).
pub const AH_IP_PROTOCOL: u8 = 51;

const IPV4_LEN: usize = 20;
/// Next header to sequence number.
const FIXED_LEN: usize = 12;
const ICV_LEN: usize = 12;
/// The header's length in words, less two (RFC 2402 §2.2).
const PAYLOAD_LEN: u8 = 4;
/// Internetwork control, as keepalived sends it.
const TYPE_OF_SERVICE: u8 = 0xc0;
const KEY_MAX: usize = 8;

/// The key of a group that authenticates by header: 1 to 8 bytes, the `auth_pass` of keepalived.
///
/// [`Debug`](fmt::Debug) does not show it, nothing gives it back, and its memory is cleared when it is dropped.
///
/// ```
/// use locum_vrrp_wire::AhKey;
///
/// let key = AhKey::new("s3cret12")?;
/// assert_eq!(format!("{key:?}"), "AhKey(..)");
/// assert!(AhKey::new("s3cret123").is_err());
/// # Ok::<(), locum_vrrp_wire::AhKeyLength>(())
/// ```
#[derive(Clone)]
pub struct AhKey(Hmac<Md5>);

impl PartialEq for AhKey {
    /// Equal keys make equal codes; in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.clone().finalize() == other.0.clone().finalize()
    }
}

impl Eq for AhKey {}

/// A key that keepalived could not have, with its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the key of an authentication header has 1 to 8 bytes, not {0}")]
#[non_exhaustive]
pub struct AhKeyLength(pub usize);

/// An advertisement that cannot go into an authentication header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("only an advertisement with `Authentication::Header` goes into an authentication header")]
#[non_exhaustive]
pub struct NotForHeader;

/// Where a packet with an authentication header comes from and goes to, and its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "what a sender chooses, built by callers"
)]
pub struct AhEnvelope {
    /// The sender.
    pub source: Ipv4Addr,
    /// The multicast group, or the peer in unicast.
    pub destination: Ipv4Addr,
    /// Of the IPv4 header. Not zero: the kernel would choose one itself, and the ICV covers it.
    pub identification: u16,
    /// Above every one that the receivers have seen: see [`AhSequence`].
    pub sequence: u32,
}

/// Why a packet is not an authenticated advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AhError {
    /// Shorter than its headers say.
    #[error("{available} bytes where the headers need {needed}")]
    Truncated {
        /// Bytes that the headers need.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// Not IPv4, or an impossible header of it.
    #[error("not an IPv4 header")]
    NotIpv4,
    /// The IPv4 header is followed by something else.
    #[error("IP protocol {0} is not the authentication header")]
    Protocol(u8),
    /// Something else than VRRP is authenticated.
    #[error("next header {0} is not VRRP")]
    NextHeader(u8),
    /// Another length than that of an ICV of 96 bits.
    #[error("an authentication header of payload length {0}")]
    PayloadLength(u8),
    /// The security parameters index is not the sender's address.
    #[error("security parameters index {0} is not the source address")]
    Spi(Ipv4Addr),
    /// Another key, or a packet that was changed.
    #[error("the integrity check value is wrong")]
    Icv,
}

impl AhKey {
    /// The key `key`.
    ///
    /// # Errors
    ///
    /// [`AhKeyLength`] if it is empty or longer than 8 bytes. keepalived cuts a longer one silently: such a peer
    /// needs its first 8 bytes here.
    pub fn new(key: impl AsRef<[u8]>) -> Result<Self, AhKeyLength> {
        let key = key.as_ref();
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(AhKeyLength(key.len()));
        }
        Hmac::new_from_slice(key)
            .map(Self)
            .map_err(|_| AhKeyLength(key.len()))
    }

    /// Appends the whole IPv4 packet that carries `advertisement` to `out`, for a socket that takes the header from
    /// the sender (`IP_HDRINCL`).
    ///
    /// What `out` holds stays. It does not allocate if `out` has [`encoded_len`](Self::encoded_len) bytes of capacity
    /// left.
    ///
    /// # Errors
    ///
    /// [`NotForHeader`] if the advertisement does not say that a header authenticates it; nothing is appended.
    pub fn encode_into(
        &self,
        advertisement: &Advertisement,
        envelope: &AhEnvelope,
        out: &mut Vec<u8>,
    ) -> Result<(), NotForHeader> {
        if advertisement.authentication() != Authentication::Header {
            return Err(NotForHeader);
        }
        let AhEnvelope {
            source,
            destination,
            identification,
            sequence,
        } = *envelope;
        let len = Self::encoded_len(advertisement);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "255 addresses are at most 1080 bytes with all headers"
        )]
        let [len_high, len_low] = (len as u16).to_be_bytes();
        let [id_high, id_low] = identification.to_be_bytes();
        let mut header = [0; IPV4_LEN];
        let (fields, addresses) = header.split_at_mut(12);
        fields.copy_from_slice(&[
            0x45,
            TYPE_OF_SERVICE,
            len_high,
            len_low,
            id_high,
            id_low,
            0,
            0,
            IP_TTL,
            AH_IP_PROTOCOL,
            0,
            0,
        ]);
        addresses
            .iter_mut()
            .zip(source.octets().into_iter().chain(destination.octets()))
            .for_each(|(byte, value)| *byte = value);
        [header[10], header[11]] = Sum::ZERO.bytes(&header).checksum();

        let mut fixed = [0; FIXED_LEN];
        let (words, number) = fixed.split_at_mut(8);
        let [s0, s1, s2, s3] = source.octets();
        words.copy_from_slice(&[IP_PROTOCOL, PAYLOAD_LEN, 0, 0, s0, s1, s2, s3]);
        number.copy_from_slice(&sequence.to_be_bytes());

        out.reserve(len);
        let start = out.len();
        out.extend_from_slice(&header);
        out.extend_from_slice(&fixed);
        out.extend_from_slice(&[0; ICV_LEN]);
        let pseudo_header = PseudoHeader::V4 {
            source,
            destination,
        };
        if advertisement.encode_into(&pseudo_header, out).is_err() {
            out.truncate(start);
            return Err(NotForHeader);
        }
        let (rest, icv_at) = (
            start + IPV4_LEN + FIXED_LEN + ICV_LEN,
            start + IPV4_LEN + FIXED_LEN,
        );
        let message = out.get(rest..).unwrap_or_default();
        let icv = self
            .mac(header, &[], destination, &fixed, message)
            .finalize()
            .into_bytes();
        for (byte, value) in out.iter_mut().skip(icv_at).take(ICV_LEN).zip(icv) {
            *byte = value;
        }
        Ok(())
    }

    /// Length of the packet that carries `advertisement`.
    #[must_use]
    pub const fn encoded_len(advertisement: &Advertisement) -> usize {
        IPV4_LEN + FIXED_LEN + ICV_LEN + advertisement.encoded_len()
    }

    /// Everything that the ICV covers.
    fn mac(
        &self,
        header: [u8; IPV4_LEN],
        options: &[u8],
        destination: Ipv4Addr,
        fixed: &[u8; FIXED_LEN],
        message: &[u8],
    ) -> Hmac<Md5> {
        let [
            words,
            _,
            l0,
            l1,
            id0,
            id1,
            _,
            _,
            ttl,
            protocol,
            _,
            _,
            addresses @ ..,
        ] = header;
        let ttl = if destination.is_multicast() { ttl } else { 0 };
        // Type of service, flags and fragment offset, and the checksum are zeros.
        self.0
            .clone()
            .chain_update([words, 0, l0, l1, id0, id1, 0, 0, ttl, protocol, 0, 0])
            .chain_update(addresses)
            .chain_update(options)
            .chain_update(fixed)
            .chain_update([0; ICV_LEN])
            .chain_update(message)
    }
}

impl fmt::Debug for AhKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AhKey(..)")
    }
}

/// A received IPv4 packet with an authentication header around VRRP, read in place.
///
/// That there is one says that its headers are complete and go together, not who made it: that says
/// [`verify`](Self::verify), which is to be asked before anything in it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AhPacket<'a> {
    header: &'a [u8; IPV4_LEN],
    options: &'a [u8],
    fixed: &'a [u8; FIXED_LEN],
    icv: &'a [u8; ICV_LEN],
    message: &'a [u8],
}

impl<'a> AhPacket<'a> {
    /// Reads `packet`, which starts at its IPv4 header and may be longer than that says.
    ///
    /// # Errors
    ///
    /// The first check that fails; all but [`AhError::Icv`].
    pub fn new_checked(packet: &'a [u8]) -> Result<Self, AhError> {
        let truncated = |needed| AhError::Truncated {
            needed,
            available: packet.len(),
        };
        let header = packet.first_chunk::<IPV4_LEN>();
        let header = header.ok_or_else(|| truncated(IPV4_LEN))?;
        let [
            version_words,
            _,
            len_high,
            len_low,
            ..,
            s0,
            s1,
            s2,
            s3,
            _,
            _,
            _,
            _,
        ] = *header;
        let header_len = usize::from(version_words & 0x0f) * 4;
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        if version_words >> 4 != 4 || header_len < IPV4_LEN {
            return Err(AhError::NotIpv4);
        }
        let protocol = header[9];
        if protocol != AH_IP_PROTOCOL {
            return Err(AhError::Protocol(protocol));
        }
        let needed = (header_len + FIXED_LEN + ICV_LEN).max(len);
        let whole = packet.get(..len).ok_or_else(|| truncated(needed))?;
        let after = whole.get(IPV4_LEN..).ok_or_else(|| truncated(needed))?;
        let (options, after) = after
            .split_at_checked(header_len - IPV4_LEN)
            .ok_or_else(|| truncated(needed))?;
        let (fixed, after) = after
            .split_first_chunk::<FIXED_LEN>()
            .ok_or_else(|| truncated(needed))?;
        let (icv, message) = after
            .split_first_chunk::<ICV_LEN>()
            .ok_or_else(|| truncated(needed))?;
        let [next_header, payload_len, _, _, i0, i1, i2, i3, ..] = *fixed;
        if next_header != IP_PROTOCOL {
            return Err(AhError::NextHeader(next_header));
        }
        if payload_len != PAYLOAD_LEN {
            return Err(AhError::PayloadLength(payload_len));
        }
        if [i0, i1, i2, i3] != [s0, s1, s2, s3] {
            return Err(AhError::Spi(Ipv4Addr::new(i0, i1, i2, i3)));
        }
        Ok(Self {
            header,
            options,
            fixed,
            icv,
            message,
        })
    }

    /// Was it made with `key`, and not changed since? Compared in constant time.
    ///
    /// # Errors
    ///
    /// [`AhError::Icv`] if not.
    pub fn verify(&self, key: &AhKey) -> Result<(), AhError> {
        key.mac(
            *self.header,
            self.options,
            self.destination(),
            self.fixed,
            self.message,
        )
        .verify_truncated_left(self.icv)
        .map_err(|_| AhError::Icv)
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> Ipv4Addr {
        let [.., s0, s1, s2, s3, _, _, _, _] = *self.header;
        Ipv4Addr::new(s0, s1, s2, s3)
    }

    /// Whom it is for.
    #[must_use]
    pub const fn destination(&self) -> Ipv4Addr {
        let [.., d0, d1, d2, d3] = *self.header;
        Ipv4Addr::new(d0, d1, d2, d3)
    }

    /// Of its IPv4 header.
    #[must_use]
    pub const fn identification(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Its number among those of its sender: see [`AhReplay`].
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        let [.., n0, n1, n2, n3] = *self.fixed;
        u32::from_be_bytes([n0, n1, n2, n3])
    }

    /// The message in it, for [`AdvertisementView::new_checked`](crate::AdvertisementView::new_checked).
    #[must_use]
    pub const fn message(&self) -> &'a [u8] {
        self.message
    }
}

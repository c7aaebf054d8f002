use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::IP_PROTOCOL;
use crate::addresses::Family;
use crate::checksum::Sum;

/// Where a packet comes from and goes to: what the checksum covers beside the message (RFC 9568 §5.2.8),
/// and which family its addresses have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third family must break every match on it"
)]
pub enum PseudoHeader {
    /// Of an IPv4 packet.
    V4 {
        /// The sender.
        source: Ipv4Addr,
        /// The multicast group, or the peer in unicast.
        destination: Ipv4Addr,
    },
    /// Of an IPv6 packet.
    V6 {
        /// The sender's link-local address.
        source: Ipv6Addr,
        /// The multicast group, or the peer in unicast.
        destination: Ipv6Addr,
    },
}

/// Addresses of two families where one was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("source and destination are of different address families")]
#[non_exhaustive]
pub struct MixedFamilies;

impl PseudoHeader {
    /// The pseudo-header of a packet from `source` to `destination`.
    ///
    /// # Errors
    ///
    /// [`MixedFamilies`] if one is IPv4 and the other IPv6.
    pub const fn new(source: IpAddr, destination: IpAddr) -> Result<Self, MixedFamilies> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Ok(Self::V4 {
                source,
                destination,
            }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Ok(Self::V6 {
                source,
                destination,
            }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(MixedFamilies),
        }
    }

    /// Who sent the packet.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        match *self {
            Self::V4 { source, .. } => IpAddr::V4(source),
            Self::V6 { source, .. } => IpAddr::V6(source),
        }
    }

    /// Whom it is for.
    #[must_use]
    pub const fn destination(&self) -> IpAddr {
        match *self {
            Self::V4 { destination, .. } => IpAddr::V4(destination),
            Self::V6 { destination, .. } => IpAddr::V6(destination),
        }
    }

    pub(crate) const fn family(&self) -> Family {
        match self {
            Self::V4 { .. } => Family::V4,
            Self::V6 { .. } => Family::V6,
        }
    }

    /// Adds this, for a message of `len` bytes, to `sum`.
    ///
    /// The families order zeros, protocol and length differently, which no sum can see.
    #[inline]
    pub(crate) fn add_to(&self, sum: Sum, len: usize) -> Sum {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "255 addresses are at most 4088 bytes"
        )]
        let [high, low] = (len as u16).to_be_bytes();
        let sum = sum.word([0, IP_PROTOCOL, high, low]);
        match self {
            Self::V4 {
                source,
                destination,
            } => sum.word(source.octets()).word(destination.octets()),
            Self::V6 {
                source,
                destination,
            } => sum.bytes(&source.octets()).bytes(&destination.octets()),
        }
    }
}

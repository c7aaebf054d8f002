use thiserror::Error;

use crate::addresses::{Addresses, Family};
use crate::authentication::{Authentication, Password};
use crate::checksum::{ChecksumForm, Sum};
use crate::format::Format;
use crate::layout::{
    AUTH_DATA_LEN, AUTH_HEADER, AUTH_NONE, AUTH_PASSWORD, HEADER_LEN, TRAILER_LEN,
    TYPE_ADVERTISEMENT,
};
use crate::pseudo_header::PseudoHeader;
use crate::types::{AdvertInterval, IntervalError, Priority, Version, Vrid, ZeroVrid};

/// A received advertisement, checked once and read in place.
///
/// That there is one means that the message was complete, its checksum right and every field within the
/// range of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvertisementView<'a> {
    vrid: Vrid,
    priority: Priority,
    interval: AdvertInterval,
    format: Format,
    family: Family,
    /// Whole addresses of `family`, at least one.
    addresses: &'a [u8],
}

/// Why bytes are not an advertisement: the first check that failed. They come in the order of the variants, but for
/// the length that the address count asks for, which follows version and type. Named beside each is its counter in
/// RFC 6527 (v3) or RFC 2787 (v2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than its header or its address count says (`PacketLengthErrors`).
    #[error("{available} bytes where the message needs {needed}")]
    Truncated {
        /// Bytes that the message needs, as far as could be seen.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// Not version 3, nor 2 over IPv4 (`VersionErrors`).
    #[error("VRRP version {0} is unknown for this address family")]
    Version(u8),
    /// Not an advertisement (`RcvdInvalidTypePkts`).
    #[error("packet type {0} is not ADVERTISEMENT")]
    Type(u8),
    /// The checksum is wrong (`ChecksumErrors`).
    #[error("checksum {found:#06x} where {expected:#06x} is right")]
    Checksum {
        /// The one in the message.
        found: u16,
        /// The one that would be right; of the two for v3 over IPv4, the one with the pseudo-header.
        expected: u16,
    },
    /// v2 with an authentication type that no standard has (`InvalidAuthType`).
    #[error("unknown authentication type {0}")]
    AuthenticationType(u8),
    /// The version has no such interval (`AdvIntervalErrors`).
    #[error("invalid advertisement interval")]
    Interval(#[source] IntervalError),
    /// No virtual router has this VRID (`VrIdErrors`).
    #[error("invalid VRID")]
    Vrid(#[source] ZeroVrid),
    /// The advertisement is of no address (`AddressListErrors`).
    #[error("address count of zero")]
    NoAddresses,
}

impl<'a> AdvertisementView<'a> {
    /// Checks `bytes`, which a packet of `pseudo_header` carried.
    ///
    /// `bytes` starts at the version and may be longer than the message: padding is ignored and not covered by
    /// the checksum. Ignored as well is what the standards say: v3's reserved bits, and v2's authentication data
    /// without authentication.
    ///
    /// # Errors
    ///
    /// The first check that fails, as [`DecodeError`] orders them.
    #[inline]
    pub fn new_checked(bytes: &'a [u8], pseudo_header: &PseudoHeader) -> Result<Self, DecodeError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::Truncated {
                needed: HEADER_LEN,
                available: bytes.len(),
            });
        };
        let [
            version_type,
            vrid,
            priority,
            count,
            high,
            low,
            checksum @ ..,
        ] = *header;

        // RFC 9568 §5.2.1: v3; RFC 3768: v2, which knows IPv4 only.
        let family = pseudo_header.family();
        let version = match (version_type >> 4, family) {
            (2, Family::V4) => Version::V2,
            (3, _) => Version::V3,
            (unknown, _) => return Err(DecodeError::Version(unknown)),
        };
        if version_type & 0x0f != TYPE_ADVERTISEMENT {
            return Err(DecodeError::Type(version_type & 0x0f));
        }

        let addresses_len = usize::from(count) * family.address_len();
        let Some((addresses, rest)) = body.split_at_checked(addresses_len) else {
            return Err(truncated(bytes, addresses_len, version));
        };
        let sum = Sum::ZERO
            .word([version_type, vrid, priority, count])
            .word([high, low, 0, 0])
            .bytes(addresses);

        let (interval, format) = match version {
            Version::V2 => {
                let Some(data) = rest.first_chunk::<AUTH_DATA_LEN>() else {
                    return Err(truncated(bytes, addresses_len, version));
                };
                let sum = sum.bytes(data);
                if !sum.verifies(checksum) {
                    return Err(wrong_checksum(sum, checksum));
                }
                let authentication = authentication(high, *data)?;
                (AdvertInterval::v2(low), Format::V2 { authentication })
            }
            Version::V3 => {
                let len = HEADER_LEN + addresses_len;
                let checksum_form =
                    v3_checksum_form(sum, len, pseudo_header, checksum).or_else(|wrong| {
                        covers_trailer(sum, len, pseudo_header, rest, checksum).ok_or(wrong)
                    })?;
                let centis = u16::from_be_bytes([high & 0x0f, low]);
                (AdvertInterval::v3(centis), Format::V3 { checksum_form })
            }
        };
        let interval = interval.map_err(DecodeError::Interval)?;
        let vrid = Vrid::new(vrid).map_err(DecodeError::Vrid)?;
        // RFC 9568 §5.2.5: the minimum is 1.
        if count == 0 {
            return Err(DecodeError::NoAddresses);
        }
        Ok(Self {
            vrid,
            priority: Priority::new(priority),
            interval,
            format,
            family,
            addresses,
        })
    }

    /// Version of the protocol.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.interval.version()
    }

    /// Which virtual router it is about.
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// The sender's priority.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Time between the sender's advertisements.
    #[must_use]
    pub const fn interval(&self) -> AdvertInterval {
        self.interval
    }

    /// What the sender shows to prove itself; whether that is what was agreed on is the receiver's to decide.
    #[must_use]
    pub const fn authentication(&self) -> Authentication {
        self.format.authentication()
    }

    /// What the sender's checksum covers. If it covers the same both ways, [`ChecksumForm::PseudoHeader`].
    #[must_use]
    pub const fn checksum_form(&self) -> ChecksumForm {
        self.format.checksum_form()
    }

    /// The addresses of the virtual router, at least one.
    #[must_use]
    pub const fn addresses(&self) -> Addresses<'a> {
        Addresses::new(self.family, self.addresses)
    }

    /// Length of the message in bytes; whatever follows it is padding or an authentication trailer.
    #[must_use]
    pub const fn message_len(&self) -> usize {
        HEADER_LEN + self.addresses.len() + self.format.auth_data_len()
    }

    /// What an [`Advertisement`](crate::Advertisement) is made of, beside the numbers.
    pub(crate) const fn parts(&self) -> (Format, Family, &'a [u8]) {
        (self.format, self.family, self.addresses)
    }
}

const fn authentication(
    kind: u8,
    data: [u8; AUTH_DATA_LEN],
) -> Result<Authentication, DecodeError> {
    match kind {
        AUTH_NONE => Ok(Authentication::None),
        AUTH_PASSWORD => Ok(Authentication::Password(Password::from_wire(data))),
        AUTH_HEADER => Ok(Authentication::Header),
        unknown => Err(DecodeError::AuthenticationType(unknown)),
    }
}

/// Which form of checksum `found` is, for a v3 message of `len` bytes that adds up to `sum`.
#[inline]
fn v3_checksum_form(
    sum: Sum,
    len: usize,
    pseudo_header: &PseudoHeader,
    found: [u8; 2],
) -> Result<ChecksumForm, DecodeError> {
    let with_pseudo_header = pseudo_header.add_to(sum, len);
    if with_pseudo_header.verifies(found) {
        return Ok(ChecksumForm::PseudoHeader);
    }
    match pseudo_header {
        PseudoHeader::V4 { .. } if sum.verifies(found) => Ok(ChecksumForm::MessageOnly),
        PseudoHeader::V4 { .. } | PseudoHeader::V6 { .. } => {
            Err(wrong_checksum(with_pseudo_header, found))
        }
    }
}

/// Over IPv6, the checksum of a message with an authentication trailer covers that as well.
#[cold]
fn covers_trailer(
    sum: Sum,
    len: usize,
    pseudo_header: &PseudoHeader,
    rest: &[u8],
    found: [u8; 2],
) -> Option<ChecksumForm> {
    let trailer = rest.first_chunk::<TRAILER_LEN>()?;
    let with_trailer = pseudo_header.add_to(sum.bytes(trailer), len + TRAILER_LEN);
    let right = matches!(pseudo_header, PseudoHeader::V6 { .. })
        && rest.len() == TRAILER_LEN
        && with_trailer.verifies(found);
    right.then_some(ChecksumForm::PseudoHeader)
}

#[cold]
const fn truncated(bytes: &[u8], addresses_len: usize, version: Version) -> DecodeError {
    let auth_data_len = match version {
        Version::V2 => AUTH_DATA_LEN,
        Version::V3 => 0,
    };
    DecodeError::Truncated {
        needed: HEADER_LEN + addresses_len + auth_data_len,
        available: bytes.len(),
    }
}

#[cold]
fn wrong_checksum(sum: Sum, found: [u8; 2]) -> DecodeError {
    DecodeError::Checksum {
        found: u16::from_be_bytes(found),
        expected: u16::from_be_bytes(sum.checksum()),
    }
}

//! The authentication trailer of keepalived 2.4 (draft-cassen-vrrp-auth-hmac), behind a v3 message:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Type (1)    |    Key id     |           Reserved            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Seconds since 1970                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Fraction (2^-16 s)     |           Counter             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              Tag: HMAC-SHA256, first 16 bytes                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The tag covers 20 bytes that say family, version, VRID and source address, the message with a checksum of zero, and
//! the trailer with a tag of zeros. The checksum of IPv6 covers the trailer, that of IPv4 does not.

mod keys;
mod verifier;

use core::net::IpAddr;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::advertisement::{Advertisement, FamilyMismatch};
use crate::checksum::Sum;
use crate::layout::{HEADER_LEN, TRAILER_LEN};
use crate::pseudo_header::PseudoHeader;
use crate::types::Version;

pub use self::keys::{DuplicateKeyId, HmacKey, HmacKeyId, HmacKeyLength, HmacKeys, ZeroKeyId};
pub use self::verifier::{
    HmacFreshness, HmacHeard, HmacMode, HmacRefused, HmacSequence, HmacVerifier, HmacWindow,
    WindowError,
};

/// The only type there is.
const TYPE_HMAC_SHA256: u8 = 1;
/// Type to counter.
const FIXED_LEN: usize = 12;
const TAG_LEN: usize = 16;
const PSEUDO_LEN: usize = 20;
/// Where a message has its checksum.
const CHECKSUM: core::ops::Range<usize> = 6..8;

/// When a message was signed, as it is on the wire: ordered in time, and no two of one sender are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HmacStamp(u64);

impl HmacStamp {
    /// The stamp with these 64 bits: seconds, fraction and counter.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Seconds, fraction and counter.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The seconds since 1970, which start again in 2106.
    const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Is it later than `other`, also across 2106 (RFC 1982)?
    const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).wrapping_sub(1) < i64::MAX as u64
    }
}

impl Advertisement {
    /// Length of the message with a trailer, in bytes.
    #[must_use]
    pub const fn signed_len(&self) -> usize {
        self.encoded_len() + TRAILER_LEN
    }

    /// Appends the message with a trailer, signed by the active one of `keys`, to `out`.
    ///
    /// It does not allocate if `out` has [`signed_len`](Self::signed_len) bytes of capacity left. Copies for several
    /// peers bear the same stamp.
    ///
    /// # Errors
    ///
    /// As [`encode_into`](Self::encode_into).
    pub fn encode_signed_into(
        &self,
        pseudo_header: &PseudoHeader,
        keys: &HmacKeys,
        stamp: HmacStamp,
        out: &mut Vec<u8>,
    ) -> Result<(), FamilyMismatch> {
        out.reserve(self.signed_len());
        let start = out.len();
        self.encode_into(pseudo_header, out)?;
        let (id, key) = keys.active();
        let [n0, n1, n2, n3, n4, n5, n6, n7] = stamp.to_bits().to_be_bytes();
        let fixed = [
            TYPE_HMAC_SHA256,
            id.get(),
            0,
            0,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
        ];
        let message = out.get(start..).unwrap_or_default();
        let tag = mac(
            key,
            pseudo_header.source(),
            self.version(),
            self.vrid().get(),
            message,
            &fixed,
        );
        let tag = tag.finalize().into_bytes();
        out.extend_from_slice(&fixed);
        out.extend(tag.into_iter().take(TAG_LEN));
        if let (PseudoHeader::V6 { .. }, Some(signed)) = (pseudo_header, out.get_mut(start..)) {
            checksum_with_trailer(pseudo_header, signed);
        }
        Ok(())
    }
}

/// What the kernel would compute for a packet that ends with the trailer.
fn checksum_with_trailer(pseudo_header: &PseudoHeader, signed: &mut [u8]) {
    let len = signed.len();
    if let Some(field) = signed.get_mut(CHECKSUM) {
        field.fill(0);
    }
    let checksum = pseudo_header
        .add_to(Sum::ZERO.bytes(signed), len)
        .checksum();
    if let Some(field) = signed.get_mut(CHECKSUM) {
        field.copy_from_slice(&checksum);
    }
}

/// Everything that the tag covers.
fn mac(
    key: &HmacKey,
    source: IpAddr,
    version: Version,
    vrid: u8,
    message: &[u8],
    fixed: &[u8; FIXED_LEN],
) -> Hmac<Sha256> {
    let version = match version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    let mut pseudo = [0; PSEUDO_LEN];
    let (family, address) = pseudo.split_at_mut(4);
    match source {
        IpAddr::V4(source) => {
            family.copy_from_slice(&[4, version, vrid, 0]);
            fill(address, &source.octets());
        }
        IpAddr::V6(source) => {
            family.copy_from_slice(&[6, version, vrid, 0]);
            fill(address, &source.octets());
        }
    }
    let (header, addresses) = message.split_at_checked(HEADER_LEN).unwrap_or_default();
    let before_checksum = header.get(..CHECKSUM.start).unwrap_or_default();
    key.mac()
        .chain_update(pseudo)
        .chain_update(before_checksum)
        .chain_update([0; 2])
        .chain_update(addresses)
        .chain_update(fixed)
        .chain_update([0; TAG_LEN])
}

fn fill(field: &mut [u8], bytes: &[u8]) {
    for (field, byte) in field.iter_mut().zip(bytes) {
        *field = *byte;
    }
}

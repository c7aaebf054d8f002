//! Keys and their numbers.

use core::fmt;
use core::num::NonZeroU8;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// Shorter ones are too easily guessed (draft-cassen-vrrp-auth-hmac).
const MIN: usize = 32;
/// A longer one would be hashed first, which keepalived does not let happen.
const MAX: usize = 64;

/// Tells the keys of a group apart, 1 to 255: every trailer names its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HmacKeyId(NonZeroU8);

/// A key id of zero, which no key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key id is a number from 1 to 255")]
#[non_exhaustive]
pub struct ZeroKeyId;

impl HmacKeyId {
    /// The key id `id`.
    ///
    /// # Errors
    ///
    /// [`ZeroKeyId`] if `id` is zero.
    pub const fn new(id: u8) -> Result<Self, ZeroKeyId> {
        match NonZeroU8::new(id) {
            Some(id) => Ok(Self(id)),
            None => Err(ZeroKeyId),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for HmacKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key of a group, 32 to 64 bytes.
///
/// [`Debug`](fmt::Debug) does not show it, nothing gives it back, and its memory is cleared when it is dropped.
#[derive(Clone)]
pub struct HmacKey(Hmac<Sha256>);

impl PartialEq for HmacKey {
    /// Equal keys make equal codes; in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.clone().finalize() == other.0.clone().finalize()
    }
}

impl Eq for HmacKey {}

/// A key that no group may have, with its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key for HMAC-SHA256 has 32 to 64 bytes, not {0}")]
#[non_exhaustive]
pub struct HmacKeyLength(pub usize);

impl HmacKey {
    /// The key `key`.
    ///
    /// # Errors
    ///
    /// [`HmacKeyLength`] if it is shorter than 32 or longer than 64 bytes.
    pub fn new(key: impl AsRef<[u8]>) -> Result<Self, HmacKeyLength> {
        let key = key.as_ref();
        if !(MIN..=MAX).contains(&key.len()) {
            return Err(HmacKeyLength(key.len()));
        }
        Hmac::new_from_slice(key)
            .map(Self)
            .map_err(|_| HmacKeyLength(key.len()))
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.0.clone()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// The keys of a group: one signs, all of them verify. So a key is changed without a gap: give the new one to all
/// routers, then let them sign with it one by one, then take the old one away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacKeys {
    active: (HmacKeyId, HmacKey),
    others: Vec<(HmacKeyId, HmacKey)>,
}

/// Two keys of one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there are two keys with the id {0}")]
#[non_exhaustive]
pub struct DuplicateKeyId(pub HmacKeyId);

impl HmacKeys {
    /// One key, which signs and verifies.
    #[must_use]
    pub const fn new(id: HmacKeyId, key: HmacKey) -> Self {
        Self {
            active: (id, key),
            others: Vec::new(),
        }
    }

    /// The same with another key, which verifies only.
    ///
    /// # Errors
    ///
    /// [`DuplicateKeyId`] if there is a key of this id.
    pub fn and_accept(mut self, id: HmacKeyId, key: HmacKey) -> Result<Self, DuplicateKeyId> {
        if self.find(id.get()).is_some() {
            return Err(DuplicateKeyId(id));
        }
        self.others.push((id, key));
        Ok(self)
    }

    /// The one that signs.
    pub(super) const fn active(&self) -> (HmacKeyId, &HmacKey) {
        (self.active.0, &self.active.1)
    }

    pub(super) fn find(&self, id: u8) -> Option<&HmacKey> {
        let mut all = core::iter::once(&self.active).chain(&self.others);
        all.find(|(one, _)| one.get() == id).map(|(_, key)| key)
    }
}

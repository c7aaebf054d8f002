//! What a router believes, and the stamps of what it sends.

use core::net::IpAddr;
use core::num::NonZeroU16;
use core::time::Duration;

use hmac::Mac;
use thiserror::Error;

use super::{FIXED_LEN, HmacKeys, HmacStamp, TAG_LEN, TYPE_HMAC_SHA256, mac};
use crate::layout::TRAILER_LEN;
use crate::senders::Senders;
use crate::view::AdvertisementView;

/// What becomes of advertisements without a trailer, and whether our own have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a router must know all three")]
pub enum HmacMode {
    /// Ours have one, and those of others must.
    #[default]
    Enforce,
    /// Ours have one, those of others need not: for the time until every router signs.
    Permissive,
    /// Ours have none and those of others need not: for the time until every router could verify.
    ReceiveOnly,
}

impl HmacMode {
    /// Do our own advertisements have a trailer?
    #[must_use]
    pub const fn signs(self) -> bool {
        match self {
            Self::Enforce | Self::Permissive => true,
            Self::ReceiveOnly => false,
        }
    }
}

/// How old, or how far in the future, an advertisement may be: 1 to 300 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HmacWindow(NonZeroU16);

/// A window that is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a freshness window is 1 to 300 whole seconds")]
#[non_exhaustive]
pub struct WindowError;

impl HmacWindow {
    /// A window of `seconds` either way.
    ///
    /// # Errors
    ///
    /// [`WindowError`] for 0 and for more than 300.
    pub const fn new(seconds: u16) -> Result<Self, WindowError> {
        match NonZeroU16::new(seconds) {
            Some(seconds) if seconds.get() <= 300 => Ok(Self(seconds)),
            Some(_) | None => Err(WindowError),
        }
    }

    /// What keepalived takes if nothing is configured: three intervals, at least 5 seconds.
    #[must_use]
    pub fn for_interval(interval: Duration) -> Self {
        let seconds = (interval * 3).as_millis().div_ceil(1000).clamp(5, 300);
        let seconds = u16::try_from(seconds).ok().and_then(NonZeroU16::new);
        Self(seconds.unwrap_or(NonZeroU16::MAX))
    }

    /// How many seconds.
    #[must_use]
    pub const fn seconds(self) -> u16 {
        self.0.get()
    }

    /// Are both within the window of each other?
    fn contains(self, one: u32, other: u32) -> bool {
        let apart = one.wrapping_sub(other).min(other.wrapping_sub(one));
        apart <= u32::from(self.seconds())
    }
}

/// What keeps an old advertisement from being believed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum HmacFreshness {
    /// Only that each sender's stamps go on: for clocks that do not agree. After a restart, an old one is believed
    /// once.
    Monotonic,
    /// That as well, and our clock: it and those of the senders must agree within the window.
    Window(HmacWindow),
}

/// The stamps of what a router sends: the clock's time, and always later than the one before.
#[derive(Debug, Clone)]
pub struct HmacSequence {
    freshness: HmacFreshness,
    last: Option<HmacStamp>,
}

impl HmacSequence {
    /// Stamps for receivers of this `freshness`.
    #[must_use]
    pub const fn new(freshness: HmacFreshness) -> Self {
        Self {
            freshness,
            last: None,
        }
    }

    /// The stamp of the next advertisement, at `now` since 1970.
    ///
    /// When the clock was put back by more than the window, its time is taken all the same: nobody would believe the
    /// stamps after the last one, while all believe this one as soon as the last is out of their window.
    #[must_use]
    pub fn advance(&mut self, now: Duration) -> HmacStamp {
        let clock = stamp(now);
        let next = match (self.last, self.freshness) {
            (None, _) => clock,
            (Some(last), _) if clock.is_after(last) => clock,
            (Some(last), HmacFreshness::Window(window))
                if !window.contains(last.seconds(), clock.seconds()) =>
            {
                clock
            }
            (Some(last), HmacFreshness::Monotonic | HmacFreshness::Window(_)) => {
                HmacStamp(last.0.wrapping_add(1))
            }
        };
        self.last = Some(next);
        next
    }
}

/// The stamp of `now`, since 1970, with a counter of zero.
fn stamp(now: Duration) -> HmacStamp {
    let fraction = (u64::from(now.subsec_nanos()) << 16) / 1_000_000_000;
    HmacStamp(now.as_secs() << 32 | fraction << 16)
}

/// What an advertisement that is believed was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum HmacHeard {
    /// Signed, by somebody who has a key.
    Signed,
    /// Without a trailer, as the mode allows.
    Unsigned,
}

/// Why an advertisement is not believed: the first check that failed, in the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HmacRefused {
    /// It has no trailer.
    #[error("no authentication trailer")]
    Missing,
    /// What follows the message is no trailer.
    #[error("what follows the message is no authentication trailer")]
    Malformed,
    /// Its stamp is too far from our clock.
    #[error("signed {} s {} our clock", ahead.unsigned_abs(), if *ahead < 0 { "behind" } else { "ahead of" })]
    Stale {
        /// So many seconds ahead of our clock.
        ahead: i32,
    },
    /// We have no such key.
    #[error("no key has the id {0}")]
    UnknownKey(u8),
    /// Another key, or a message that was changed.
    #[error("the authentication tag is wrong")]
    Tag,
    /// Its stamp is not later than one that the same sender had before.
    #[error("not later than what was heard before")]
    Replayed,
}

/// Decides which advertisements are believed. Remembers the last stamp of each sender, of at most 16; of more than
/// that, the one that was silent for longest is forgotten. Only those with a key get in there.
#[derive(Debug, Clone)]
pub struct HmacVerifier {
    mode: HmacMode,
    freshness: HmacFreshness,
    senders: Senders<HmacStamp>,
}

impl HmacVerifier {
    /// A verifier that has heard nothing yet.
    #[must_use]
    pub const fn new(mode: HmacMode, freshness: HmacFreshness) -> Self {
        Self {
            mode,
            freshness,
            senders: Senders::new(),
        }
    }

    /// Is the message of `view` believed, at `now` since 1970? `bytes` is what `view` was made of, to its end, and
    /// `source` who sent it.
    ///
    /// A trailer that is wrong is refused in every mode.
    ///
    /// # Errors
    ///
    /// [`HmacRefused`]; nothing changes.
    pub fn verify(
        &mut self,
        now: Duration,
        keys: &HmacKeys,
        source: IpAddr,
        view: &AdvertisementView<'_>,
        bytes: &[u8],
    ) -> Result<HmacHeard, HmacRefused> {
        let (message, trailer) = bytes
            .split_at_checked(view.message_len())
            .ok_or(HmacRefused::Malformed)?;
        if trailer.is_empty() {
            return match self.mode {
                HmacMode::Enforce => Err(HmacRefused::Missing),
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(HmacHeard::Unsigned),
            };
        }
        let (fixed, tag) = trailer
            .first_chunk::<TRAILER_LEN>()
            .filter(|_| trailer.len() == TRAILER_LEN)
            .and_then(|trailer| trailer.split_first_chunk::<FIXED_LEN>())
            .ok_or(HmacRefused::Malformed)?;
        debug_assert_eq!(
            tag.len(),
            TAG_LEN,
            "a trailer is what comes before and the tag"
        );
        let [kind, key_id, r0, r1, n0, n1, n2, n3, n4, n5, n6, n7] = *fixed;
        if kind != TYPE_HMAC_SHA256 || [r0, r1] != [0, 0] {
            return Err(HmacRefused::Malformed);
        }
        let found = HmacStamp(u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]));
        let clock = stamp(now);
        // Before the tag, so that a flood of old ones costs little: it is not known yet whether the stamp is genuine,
        // but one that is refused need not be.
        if let HmacFreshness::Window(window) = self.freshness
            && !window.contains(found.seconds(), clock.seconds())
        {
            let ahead = found.seconds().wrapping_sub(clock.seconds());
            return Err(HmacRefused::Stale {
                ahead: ahead.cast_signed(),
            });
        }
        let key = keys.find(key_id).ok_or(HmacRefused::UnknownKey(key_id))?;
        mac(
            key,
            source,
            view.version(),
            view.vrid().get(),
            message,
            fixed,
        )
        .verify_truncated_left(tag)
        .map_err(|_| HmacRefused::Tag)?;
        if let Some(last) = self.senders.last(source)
            && self.still_counts(last, clock)
            && !found.is_after(last)
        {
            return Err(HmacRefused::Replayed);
        }
        self.senders.set_last(source, found);
        Ok(HmacHeard::Signed)
    }

    /// A last stamp outside of the window keeps nothing out that the window lets in, but a sender whose clock was
    /// put right.
    fn still_counts(&self, last: HmacStamp, clock: HmacStamp) -> bool {
        match self.freshness {
            HmacFreshness::Monotonic => true,
            HmacFreshness::Window(window) => window.contains(last.seconds(), clock.seconds()),
        }
    }
}

//! Numbers and names within what the kernel takes.

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;

/// The kernel's weights and thresholds are signed 32-bit numbers.
pub(crate) const MAX_SIGNED: u32 = i32::MAX.unsigned_abs();

/// A number that IPVS cannot take, or would take for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} must be between {min} and {max}, not {value}")]
#[non_exhaustive]
pub struct OutOfRange {
    /// What the number is.
    pub what: &'static str,
    /// The number.
    pub value: u64,
    /// The least that is allowed.
    pub min: u64,
    /// The most that is allowed.
    pub max: u64,
}

pub(crate) fn in_range(
    what: &'static str,
    value: u64,
    min: u32,
    max: u32,
) -> Result<u32, OutOfRange> {
    let error = OutOfRange {
        what,
        value,
        min: min.into(),
        max: max.into(),
    };
    match u32::try_from(value) {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(error),
    }
}

/// A name that the kernel would refuse, or truncate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} must be 1 to {max} characters: {allowed}")]
#[non_exhaustive]
pub struct InvalidName {
    /// What the name is of.
    pub what: &'static str,
    /// The most bytes it may have.
    pub max: usize,
    /// The characters that it may have.
    pub allowed: &'static str,
}

/// Checks the name of a scheduler or persistence engine: the kernel makes a module's name of it.
pub(crate) fn module_name(
    what: &'static str,
    name: impl Into<Cow<'static, str>>,
) -> Result<Cow<'static, str>, InvalidName> {
    /// `IP_VS_SCHEDNAME_MAXLEN` and `IP_VS_PENAME_MAXLEN`, less the NUL.
    const MAX: usize = 15;
    let name = name.into();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=MAX).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(name)
    } else {
        Err(InvalidName {
            what,
            max: MAX,
            allowed: "letters, digits, '_' and '-'",
        })
    }
}

/// A time in whole seconds, 1 to 2,147,483 (24 days): what every kernel can count in its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(u32);

impl Seconds {
    /// `INT_MAX / HZ` at 1000 ticks a second.
    const MAX: u32 = 2_147_483;

    /// So many seconds.
    ///
    /// # Errors
    ///
    /// When there are none, or more than 2,147,483.
    pub fn new(seconds: u32) -> Result<Self, OutOfRange> {
        in_range("a timeout in seconds", seconds.into(), 1, Self::MAX).map(Self)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }

    pub(crate) const DEFAULT_PERSISTENCE: Self = Self(300);
}

impl TryFrom<Duration> for Seconds {
    type Error = OutOfRange;

    /// Rounds up to whole seconds.
    fn try_from(duration: Duration) -> Result<Self, OutOfRange> {
        let rounded_up = duration
            .as_secs()
            .saturating_add(u64::from(duration.subsec_nanos() > 0));
        in_range("a timeout in seconds", rounded_up, 1, Self::MAX).map(Self)
    }
}

/// The share of new connections that a destination gets, 0 to 2,147,483,647. Zero: none, but those it has go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// No new connections.
    pub const ZERO: Self = Self(0);
    /// The default.
    pub const ONE: Self = Self(1);

    /// The weight `weight`.
    ///
    /// # Errors
    ///
    /// When it is above 2,147,483,647: the kernel's weights are signed.
    pub fn new(weight: u32) -> Result<Self, OutOfRange> {
        in_range("a weight", weight.into(), 0, MAX_SIGNED).map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u16> for Weight {
    fn from(weight: u16) -> Self {
        Self(weight.into())
    }
}

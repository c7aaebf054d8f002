//! The numbers of the protocol, each valid by construction.

use core::fmt;
use core::num::NonZeroU8;
use core::time::Duration;

use thiserror::Error;

/// Protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new version of VRRP must break every match on it"
)]
pub enum Version {
    /// VRRP version 2, IPv4 only (RFC 3768).
    V2,
    /// VRRP version 3, IPv4 and IPv6 (RFC 5798, RFC 9568).
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2",
            Self::V3 => "3",
        })
    }
}

/// Virtual router identifier, 1 to 255 (RFC 9568 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

/// A VRID of zero, which no virtual router may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a VRID is a number from 1 to 255")]
#[non_exhaustive]
pub struct ZeroVrid;

impl Vrid {
    /// The VRID `id`.
    ///
    /// # Errors
    ///
    /// [`ZeroVrid`] if `id` is zero.
    pub const fn new(id: u8) -> Result<Self, ZeroVrid> {
        match NonZeroU8::new(id) {
            Some(id) => Ok(Self(id)),
            None => Err(ZeroVrid),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl TryFrom<u8> for Vrid {
    type Error = ZeroVrid;

    fn try_from(id: u8) -> Result<Self, ZeroVrid> {
        Self::new(id)
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority of a router in the election (RFC 9568 §5.2.4): 0 means "I stop", 255 is the owner of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// "I stop being Master": sent, never configured.
    pub const STOP: Self = Self(0);
    /// The lowest priority a router can be configured with.
    pub const MIN: Self = Self(1);
    /// What a backup has when nothing is configured.
    pub const DEFAULT: Self = Self(100);
    /// The router whose own addresses the virtual ones are.
    pub const OWNER: Self = Self(255);

    /// Any value of the wire is a priority.
    #[must_use]
    pub const fn new(priority: u8) -> Self {
        Self(priority)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Is this the address owner's priority, 255?
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.0 == Self::OWNER.0
    }

    /// Is this the parting priority, 0?
    #[must_use]
    pub const fn is_stop(self) -> bool {
        self.0 == Self::STOP.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Time between two advertisements, in the unit and range of its version: 1 to 255 whole seconds in v2
/// (RFC 3768 §5.3.7), 1 to 4095 centiseconds in v3 (RFC 9568 §5.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdvertInterval {
    version: Version,
    units: u16,
}

/// An interval that the version cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntervalError {
    /// Zero, more than 255 s, or not whole seconds.
    #[error("a VRRPv2 advertisement interval is a whole number of seconds from 1s to 255s")]
    V2,
    /// Zero, more than 40.95 s, or not whole centiseconds.
    #[error("a VRRPv3 advertisement interval is a multiple of 10ms from 10ms to 40.95s")]
    V3,
}

impl AdvertInterval {
    /// A v2 interval of `seconds`.
    ///
    /// # Errors
    ///
    /// [`IntervalError::V2`] if `seconds` is zero.
    pub const fn v2(seconds: u8) -> Result<Self, IntervalError> {
        if seconds == 0 {
            return Err(IntervalError::V2);
        }
        Ok(Self {
            version: Version::V2,
            units: seconds as u16,
        })
    }

    /// A v3 interval of `centis` hundredths of a second.
    ///
    /// # Errors
    ///
    /// [`IntervalError::V3`] if `centis` is zero or more than 4095.
    pub const fn v3(centis: u16) -> Result<Self, IntervalError> {
        if centis == 0 || centis > 4095 {
            return Err(IntervalError::V3);
        }
        Ok(Self {
            version: Version::V3,
            units: centis,
        })
    }

    /// The interval of `version` that lasts exactly `interval`.
    ///
    /// # Errors
    ///
    /// The version's [`IntervalError`] if its field cannot carry that duration exactly.
    pub fn from_duration(version: Version, interval: Duration) -> Result<Self, IntervalError> {
        let (unit, error) = match version {
            Version::V2 => (1_000_000_000, IntervalError::V2),
            Version::V3 => (10_000_000, IntervalError::V3),
        };
        let nanos = interval.as_nanos();
        if !nanos.is_multiple_of(unit) {
            return Err(error);
        }
        match version {
            Version::V2 => Self::v2(u8::try_from(nanos / unit).map_err(|_| error)?),
            Version::V3 => Self::v3(u16::try_from(nanos / unit).map_err(|_| error)?),
        }
    }

    /// Whose unit and range this is.
    #[must_use]
    pub const fn version(self) -> Version {
        self.version
    }

    /// The number on the wire: seconds in v2, centiseconds in v3.
    #[must_use]
    pub const fn wire_value(self) -> u16 {
        self.units
    }

    /// How long it lasts.
    #[must_use]
    pub const fn duration(self) -> Duration {
        let units = self.units as u64;
        match self.version {
            Version::V2 => Duration::from_secs(units),
            Version::V3 => Duration::from_millis(units * 10),
        }
    }
}

impl fmt::Display for AdvertInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.duration())
    }
}

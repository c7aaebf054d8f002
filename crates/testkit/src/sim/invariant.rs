//! What must hold, by name.

use std::fmt;
use std::str::FromStr;

use super::Nanos;

/// What must hold after each step. `docs/testing.md` says each in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each needs a mutation that it catches"
)]
pub enum Invariant {
    /// Nobody takes a dead process's place where somebody else has taken over long ago.
    AdoptsInTime,
    /// On a settled LAN the Master is the best that may be.
    BestMaster,
    /// No address without mastership or a running lease.
    HeldByRight,
    /// On a settled LAN the last announcement on the wire is the Master's.
    LastAnnouncement,
    /// On a settled LAN the Master has the addresses.
    MasterOwns,
    /// A planned move leaves no gap in ownership.
    NoGap,
    /// A Master advertises, and stops being one if it cannot.
    NoSilentMaster,
    /// On a settled LAN there is one Master.
    OneMaster,
    /// A second owner does not last.
    SecondOwner,
    /// Who leaves mastership to others preempts nobody.
    StandsBy,
    /// Nobody takes over from a Master that is as good without a cause.
    UnforcedChange,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AdoptsInTime,
        Self::BestMaster,
        Self::HeldByRight,
        Self::LastAnnouncement,
        Self::MasterOwns,
        Self::NoGap,
        Self::NoSilentMaster,
        Self::OneMaster,
        Self::SecondOwner,
        Self::StandsBy,
        Self::UnforcedChange,
    ];

    /// As in `docs/testing.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdoptsInTime => "adopts-in-time",
            Self::BestMaster => "best-master",
            Self::HeldByRight => "held-by-right",
            Self::LastAnnouncement => "last-announcement",
            Self::MasterOwns => "master-owns",
            Self::NoGap => "no-gap",
            Self::NoSilentMaster => "no-silent-master",
            Self::OneMaster => "one-master",
            Self::SecondOwner => "second-owner",
            Self::StandsBy => "stands-by",
            Self::UnforcedChange => "unforced-change",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Invariant {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == name)
            .ok_or(())
    }
}

/// Where an invariant broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When.
    pub at: Nanos,
    /// Of which virtual router, counted from 0.
    pub vrid: u8,
    /// On which machines, one bit for each.
    pub machines: u8,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invariant,
            at,
            vrid,
            machines,
        } = *self;
        let at = at.duration();
        write!(f, "{invariant} broke after {at:?} for VRID {}", vrid + 1)?;
        let mut word = " at";
        for machine in (0..8).filter(|machine| machines & (1 << machine) != 0) {
            write!(f, "{word} m{}", machine + 1)?;
            word = " and";
        }
        Ok(())
    }
}

/// Which invariants are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks(u16);

impl Checks {
    /// All of them.
    #[must_use]
    pub const fn all() -> Self {
        Self(u16::MAX)
    }

    /// One alone.
    #[must_use]
    pub const fn only(invariant: Invariant) -> Self {
        Self(1 << invariant as u16)
    }

    pub(crate) const fn has(self, invariant: Invariant) -> bool {
        self.0 & (1 << invariant as u16) != 0
    }
}

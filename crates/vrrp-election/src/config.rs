//! What one virtual router is configured with, valid by construction.

use core::num::NonZeroU8;
use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};
use thiserror::Error;

/// May a better router take over from a lesser one that is Master? (`Preempt_Mode` of RFC 9568 §6.1.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by the standard")]
pub enum Preempt {
    /// Yes, once a lesser Master has been heard for `delay`; zero is the standard's behaviour.
    Allow {
        /// How long a lesser Master is left alone after it is first heard.
        delay: Duration,
    },
    /// No: whoever is Master stays Master while it lives. The address owner preempts all the same.
    Forbid,
}

/// How long the kernel may keep the addresses without hearing from the election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "these are all the choices there are"
)]
pub enum LeasePolicy {
    /// The shortest lease that never ends before a backup may take over: interval × (missed adverts + 1) and one
    /// renewal period, in whole seconds, at least 3 s.
    Auto,
    /// This long, at least what [`LeasePolicy::Auto`] gives.
    Fixed(Duration),
    /// For ever: a killed Master leaves its addresses behind.
    Off,
}

/// When a new Master tells the neighbours again, after the first second's announcements and beside the one that it
/// makes when the lease of a Master that was killed has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two plain settings, each optional"
)]
pub struct AnnounceSchedule {
    /// Once more, this long after becoming Master. 5 s by default.
    pub again_after: Option<Duration>,
    /// And then for as long as it is Master, this often. Each minute by default.
    pub refresh: Option<Duration>,
}

impl Default for AnnounceSchedule {
    fn default() -> Self {
        Self {
            again_after: Some(Duration::from_secs(5)),
            refresh: Some(Duration::from_secs(60)),
        }
    }
}

/// The parameters of one virtual router (RFC 9568 §6.1). The version is the interval's.
///
/// ```
/// use locum_vrrp_election::Config;
/// use locum_vrrp_wire::{AdvertInterval, Priority};
///
/// let interval = AdvertInterval::v3(100).expect("1 s fits");
/// let config = Config::new(interval, Priority::new(150)).expect("150 is a priority").addresses(20);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub(crate) interval: AdvertInterval,
    pub(crate) priority: Priority,
    pub(crate) addresses: u16,
    pub(crate) preempt: Preempt,
    pub(crate) startup_delay: Duration,
    pub(crate) missed_adverts: NonZeroU8,
    pub(crate) lease: LeasePolicy,
    pub(crate) announce: AnnounceSchedule,
}

/// A parameter that no virtual router can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Priority 0 says "I stop"; nobody is configured with it.
    #[error("a priority is a number from 1 to 255")]
    PriorityZero,
    /// The lease would end before a backup may take over, so that nobody had the addresses in between.
    #[error("a lease must be at least {minimum:?} with this interval and number of missed adverts")]
    LeaseTooShort {
        /// The shortest that would do.
        minimum: Duration,
    },
}

impl Config {
    /// How often a running lease is renewed.
    pub const RENEWAL: Duration = Duration::from_secs(1);

    /// The longest delay or lease, ten years; a longer one is taken for that, so that no moment is out of range.
    pub const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

    /// A router that advertises every `interval` with `priority`, and otherwise has the standard's defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError::PriorityZero`].
    pub const fn new(interval: AdvertInterval, priority: Priority) -> Result<Self, ConfigError> {
        if priority.is_stop() {
            return Err(ConfigError::PriorityZero);
        }
        Ok(Self {
            interval,
            priority,
            addresses: 1,
            preempt: Preempt::Allow {
                delay: Duration::ZERO,
            },
            startup_delay: Duration::ZERO,
            missed_adverts: DEFAULT_MISSED_ADVERTS,
            lease: LeasePolicy::Auto,
            announce: AnnounceSchedule {
                again_after: Some(Duration::from_secs(5)),
                refresh: Some(Duration::from_secs(60)),
            },
        })
    }

    /// How many addresses the router holds: with more of them, a leaving Master lingers longer.
    #[must_use]
    pub const fn addresses(mut self, count: u16) -> Self {
        self.addresses = count;
        self
    }

    /// Whether a lesser Master may be preempted.
    #[must_use]
    pub const fn preempt(mut self, preempt: Preempt) -> Self {
        self.preempt = match preempt {
            Preempt::Allow { delay } => Preempt::Allow {
                delay: bounded(delay),
            },
            Preempt::Forbid => Preempt::Forbid,
        };
        self
    }

    /// How long after start-up no mastership is taken.
    #[must_use]
    pub const fn startup_delay(mut self, delay: Duration) -> Self {
        self.startup_delay = bounded(delay);
        self
    }

    /// How many advertisements may be missed before the Master is taken for dead (3 in the standards).
    #[must_use]
    pub const fn missed_adverts(mut self, count: NonZeroU8) -> Self {
        self.missed_adverts = count;
        self
    }

    /// When the neighbours are told again.
    #[must_use]
    pub const fn announce(mut self, schedule: AnnounceSchedule) -> Self {
        self.announce = AnnounceSchedule {
            again_after: bounded_option(schedule.again_after),
            refresh: bounded_option(schedule.refresh),
        };
        self
    }

    /// How long the kernel may keep the addresses on its own. Set it after the number of missed adverts, which the
    /// shortest one depends on: it is lengthened where that is set later.
    ///
    /// # Errors
    ///
    /// [`ConfigError::LeaseTooShort`].
    pub fn lease(mut self, lease: LeasePolicy) -> Result<Self, ConfigError> {
        let minimum = self.shortest_lease();
        if matches!(lease, LeasePolicy::Fixed(fixed) if fixed < minimum) {
            return Err(ConfigError::LeaseTooShort { minimum });
        }
        self.lease = lease;
        Ok(self)
    }

    /// What the router advertises every.
    #[must_use]
    pub const fn interval(&self) -> AdvertInterval {
        self.interval
    }

    /// The priority it starts with.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// The lease its addresses get; `None` if they are held for ever.
    #[must_use]
    pub fn lease_duration(&self) -> Option<Duration> {
        match self.lease {
            LeasePolicy::Auto => Some(self.shortest_lease()),
            LeasePolicy::Fixed(lease) => Some(bounded(lease).max(self.shortest_lease())),
            LeasePolicy::Off => None,
        }
    }

    fn shortest_lease(&self) -> Duration {
        let takeover = self.interval.duration() * (u32::from(self.missed_adverts.get()) + 1);
        let whole = (takeover + Self::RENEWAL)
            .as_nanos()
            .div_ceil(1_000_000_000);
        Duration::from_secs(u64::try_from(whole).unwrap_or(u64::MAX).max(3))
    }
}

const fn bounded(duration: Duration) -> Duration {
    if duration.as_secs() < Config::LONGEST.as_secs() {
        duration
    } else {
        Config::LONGEST
    }
}

const fn bounded_option(duration: Option<Duration>) -> Option<Duration> {
    match duration {
        Some(duration) => Some(bounded(duration)),
        None => None,
    }
}

const DEFAULT_MISSED_ADVERTS: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);

//! What one virtual router is configured with, valid by construction.

use core::num::NonZeroU8;
use core::time::Duration;
use std::net::IpAddr;

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
#[expect(clippy::exhaustive_enums, reason = "these are all the choices there are")]
pub enum LeasePolicy {
    /// The shortest lease that never ends before a backup may take over: interval × (missed adverts + 1) and one
    /// renewal period, in whole seconds, at least 3 s.
    Auto,
    /// This long, at least what [`LeasePolicy::Auto`] gives.
    Fixed(Duration),
    /// For ever: a killed Master leaves its addresses behind.
    Off,
}

/// When a new Master tells the neighbours again, after the first second's announcements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two plain settings, each optional")]
pub struct AnnounceSchedule {
    /// Once more, this long after becoming Master.
    pub again_after: Option<Duration>,
    /// And then for as long as it is Master, this often.
    pub refresh: Option<Duration>,
}

impl Default for AnnounceSchedule {
    fn default() -> Self {
        Self { again_after: Some(Duration::from_secs(5)), refresh: None }
    }
}

/// The parameters of one virtual router (RFC 9568 §6.1). The version is the interval's.
///
/// ```
/// use locum_vrrp_election::Config;
/// use locum_vrrp_wire::{AdvertInterval, Priority};
///
/// let interval = AdvertInterval::v3(100).expect("1 s fits");
/// let config = Config::new(interval, Priority::new(150)).expect("150 is a priority").missed_adverts(4);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub(crate) interval: AdvertInterval,
    pub(crate) priority: Priority,
    pub(crate) source: Option<IpAddr>,
    pub(crate) addresses: u16,
    pub(crate) preempt: Preempt,
    pub(crate) startup_delay: Duration,
    pub(crate) missed_adverts: NonZeroU8,
    pub(crate) lease: LeasePolicy,
    pub(crate) announce: AnnounceSchedule,
}

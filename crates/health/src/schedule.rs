//! When to probe.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

/// How often a check is made, and how many results decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timing {
    /// Between two probes of a server whose state is settled.
    pub interval: Duration,
    /// Between two probes while it is rising or falling; the default is `interval`.
    pub fast_interval: Duration,
    /// Between two probes of a server that is down; the default is `interval`.
    pub down_interval: Duration,
    /// After what time without a result a probe has failed.
    pub timeout: Duration,
    /// By how many percent of it each interval varies, at random, either way.
    pub jitter_percent: u8,
    /// How many passes in a row bring a server up that was down.
    pub rise: NonZeroU32,
    /// How many failures in a row bring a server down that was up.
    pub fall: NonZeroU32,
}

impl Timing {
    /// Probes each `interval`; a probe may take `timeout`.
    ///
    /// # Errors
    ///
    /// Either is zero, or the timeout is longer than the interval.
    pub fn new(interval: Duration, timeout: Duration) -> Result<Self, TimingError> {
        if interval.is_zero() || timeout.is_zero() {
            return Err(TimingError::Zero);
        }
        if timeout > interval {
            return Err(TimingError::TimeoutTooLong);
        }
        Ok(Self {
            interval,
            fast_interval: interval,
            down_interval: interval,
            timeout,
            jitter_percent: 5,
            rise: NonZeroU32::MIN.saturating_add(1),
            fall: NonZeroU32::MIN.saturating_add(2),
        })
    }
}

/// Why a timing makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimingError {
    /// A time is zero.
    #[error("a time is zero")]
    Zero,
    /// A probe could still be under way when the next one is due.
    #[error("the timeout is longer than an interval")]
    TimeoutTooLong,
    /// More than half.
    #[error("the jitter is more than 50 percent")]
    Jitter,
}

//! How often a check is made.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

const RISE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
const FALL: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
const JITTER_PERCENT: u8 = 5;
pub(super) const MAX_JITTER_PERCENT: u8 = 50;

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
    /// By how many percent of it each interval varies, at random, either way; 5 by default.
    pub jitter_percent: u8,
    /// How many passes in a row bring a server up that was down; 2 by default.
    pub rise: NonZeroU32,
    /// How many failures in a row bring a server down that was up; 3 by default.
    pub fall: NonZeroU32,
}

impl Timing {
    /// Probes each `interval`; a probe may take `timeout`.
    ///
    /// # Errors
    ///
    /// Either is zero, or the timeout is longer than the interval.
    pub fn new(interval: Duration, timeout: Duration) -> Result<Self, TimingError> {
        Self {
            interval,
            fast_interval: interval,
            down_interval: interval,
            timeout,
            jitter_percent: JITTER_PERCENT,
            rise: RISE,
            fall: FALL,
        }
        .validated()
    }

    /// The same with another interval while rising or falling.
    ///
    /// # Errors
    ///
    /// It is zero, or shorter than the timeout.
    pub fn fast_interval(mut self, interval: Duration) -> Result<Self, TimingError> {
        self.fast_interval = interval;
        self.validated()
    }

    /// The same with another interval while down.
    ///
    /// # Errors
    ///
    /// It is zero, or shorter than the timeout.
    pub fn down_interval(mut self, interval: Duration) -> Result<Self, TimingError> {
        self.down_interval = interval;
        self.validated()
    }

    /// The same with another jitter.
    ///
    /// # Errors
    ///
    /// It is more than 50 percent.
    pub fn jitter_percent(mut self, percent: u8) -> Result<Self, TimingError> {
        self.jitter_percent = percent;
        self.validated()
    }

    /// The same with another number of passes that bring a server up.
    #[must_use]
    pub const fn rise(mut self, passes: NonZeroU32) -> Self {
        self.rise = passes;
        self
    }

    /// The same with another number of failures that bring a server down.
    #[must_use]
    pub const fn fall(mut self, failures: NonZeroU32) -> Self {
        self.fall = failures;
        self
    }

    /// The same, if it makes sense: for whoever has set the fields one by one.
    ///
    /// # Errors
    ///
    /// A time is zero, the timeout is longer than one of the intervals, or the jitter is more than 50 percent.
    pub fn validated(self) -> Result<Self, TimingError> {
        let intervals = [self.interval, self.fast_interval, self.down_interval];
        if self.timeout.is_zero() || intervals.iter().any(Duration::is_zero) {
            return Err(TimingError::Zero);
        }
        if intervals.iter().any(|interval| self.timeout > *interval) {
            return Err(TimingError::TimeoutTooLong);
        }
        if self.jitter_percent > MAX_JITTER_PERCENT {
            return Err(TimingError::Jitter);
        }
        Ok(self)
    }
}

/// Why a timing makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimingError {
    /// More than half.
    #[error("the jitter is more than 50 percent")]
    Jitter,
    /// A probe could still be under way when the next one is due.
    #[error("the timeout is longer than an interval")]
    TimeoutTooLong,
    /// A time is zero.
    #[error("a time is zero")]
    Zero,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_makes_no_sense_is_refused() {
        let timing = Timing::new(10 * SECOND, SECOND).unwrap();
        assert_eq!((timing.rise.get(), timing.fall.get()), (2, 3));
        assert_eq!(timing.jitter_percent, 5);
        assert_eq!(timing.fast_interval, timing.interval);
        assert_eq!(timing.down_interval, timing.interval);

        let table = [
            (Timing::new(SECOND, SECOND).map(drop), Ok(())),
            (
                Timing::new(Duration::ZERO, Duration::ZERO).map(drop),
                Err(TimingError::Zero),
            ),
            (
                Timing::new(SECOND, Duration::ZERO).map(drop),
                Err(TimingError::Zero),
            ),
            (
                Timing::new(SECOND, 2 * SECOND).map(drop),
                Err(TimingError::TimeoutTooLong),
            ),
            (
                timing.fast_interval(SECOND / 2).map(drop),
                Err(TimingError::TimeoutTooLong),
            ),
            (timing.fast_interval(SECOND).map(drop), Ok(())),
            (
                timing.down_interval(SECOND / 2).map(drop),
                Err(TimingError::TimeoutTooLong),
            ),
            (
                timing.down_interval(Duration::ZERO).map(drop),
                Err(TimingError::Zero),
            ),
            (timing.jitter_percent(50).map(drop), Ok(())),
            (
                timing.jitter_percent(51).map(drop),
                Err(TimingError::Jitter),
            ),
        ];
        for (index, (got, expected)) in table.into_iter().enumerate() {
            assert_eq!(got, expected, "row {index}");
        }
    }
}

//! How late our own loop is.

use std::time::{Duration, Instant};

/// What timers and the scheduling of a machine with work to do bring with them, and no check notices.
const IGNORED: Duration = Duration::from_millis(10);
/// How often the loop must turn while probes are under way.
pub(super) const BEAT: Duration = Duration::from_millis(20);
/// What a probe bears.
const TOLERATED: Duration = Duration::from_millis(50);

/// Sums up by how much the loop came later than it meant to.
#[derive(Debug, Default)]
pub(super) struct Lag {
    expected: Option<Instant>,
    total: Duration,
    worst: Duration,
}

impl Lag {
    /// The loop turns.
    pub(super) fn observe(&mut self, now: Instant) {
        let Some(expected) = self.expected.take() else {
            return;
        };
        let late = now.saturating_duration_since(expected);
        if late > IGNORED {
            self.total = self.total.saturating_add(late);
            self.worst = self.worst.max(late);
        }
    }

    /// The loop means to turn again then.
    pub(super) const fn expect(&mut self, wake: Option<Instant>) {
        self.expected = wake;
    }

    /// All there has been.
    pub(super) const fn total(&self) -> Duration {
        self.total
    }

    /// The longest at once.
    pub(super) const fn worst(&self) -> Duration {
        self.worst
    }
}

/// How much longer than its timeout a probe may take, since the ones before it coincided with lag.
///
/// A probe's timeout is meant as time in which answers were looked at. On a machine that is always late, more of it must
/// pass for that: otherwise no server that is down would ever be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Allowance {
    extra: Duration,
    tries: u32,
}

impl Allowance {
    const MAX_TRIES: u32 = 4;

    /// How long the probe may take.
    pub(super) const fn window(self, timeout: Duration) -> Duration {
        timeout.saturating_add(self.extra)
    }

    /// Whether a probe that took its whole window says nothing, with so much lag meanwhile.
    pub(super) fn excuses(self, timeout: Duration, lag: Duration) -> bool {
        lag >= self.extra.saturating_add(TOLERATED.max(timeout / 10))
    }

    /// That of the next probe after one that was excused.
    #[must_use]
    pub(super) fn next(self, timeout: Duration, lag: Duration) -> Self {
        let tries = (self.tries + 1).min(Self::MAX_TRIES);
        Self {
            extra: lag.saturating_mul(2).min(timeout * tries),
            tries,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runner::clock;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn lateness_adds_up_beyond_what_is_usual() {
        let start = clock::now();
        let mut lag = Lag::default();
        lag.observe(start);
        lag.expect(Some(start + 20 * MS));
        lag.observe(start + 28 * MS);
        assert_eq!(lag.total(), Duration::ZERO, "8 ms late");
        lag.expect(Some(start + 40 * MS));
        lag.observe(start + 140 * MS);
        lag.expect(Some(start + 160 * MS));
        lag.observe(start + 190 * MS);
        assert_eq!(lag.total(), 130 * MS);
        assert_eq!(lag.worst(), 100 * MS);
        lag.expect(Some(start + 300 * MS));
        lag.observe(start + 200 * MS);
        lag.observe(start + 900 * MS);
        assert_eq!(lag.total(), 130 * MS, "woken early, and not expected");
    }

    proptest! {
        /// Whatever share of its time up to a half the loop is late, a server that never answers is found out.
        #[test]
        fn steady_lag_excuses_only_for_a_while(timeout in 1_u32..100_000, percent in 0_u32..=50) {
            let timeout = timeout * MS;
            let mut allowance = Allowance::default();
            let mut probes = 0;
            loop {
                let lag = allowance.window(timeout) * percent / 100;
                if !allowance.excuses(timeout, lag) {
                    break;
                }
                allowance = allowance.next(timeout, lag);
                probes += 1;
                prop_assert!(probes < 5);
            }
        }
    }
}

//! When the engine serves a deadline, and when it reads. What may be a little late is done together: the advertisements of
//! 250 routers in twenty wake-ups an interval instead of 250, for the sender and for whoever receives them.

use std::time::{Duration, Instant};

use locum_vrrp_election::Timer;

/// An advertisement may be late by this part of its interval,
const PART: u32 = 20;
/// but by no more than this.
const MOST: Duration = Duration::from_millis(5);

/// How often leases are renewed, of those that it is time for. That the kernel counts whole seconds, rounded up from what is
/// left, makes up for it.
const RENEWALS: Duration = Duration::from_millis(50);

/// Counters are published so long after the first that was not, at most: of so many routers at once, which takes some 0.1 ms,
/// and of others so much later.
pub(crate) const COUNTED: Duration = Duration::from_secs(1);
pub(crate) const COUNTED_AT_ONCE: usize = 64;
pub(crate) const COUNTED_NEXT: Duration = Duration::from_millis(1);

/// So long packets may wait to be read with those that follow them: a part of the shortest interval that there is.
pub(crate) const GATHERING: Duration = Duration::from_micros(500);

/// So long packets may wait to be read that go on coming, where the shortest interval of a router is `interval`: as long as their
/// sender may be late.
pub(crate) fn lull(interval: Duration) -> Option<Duration> {
    Some((interval / PART).min(MOST)).filter(|lull| *lull > GATHERING)
}

/// The common beat of all routers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    epoch: Instant,
}

impl Rhythm {
    pub(crate) const fn new(epoch: Instant) -> Self {
        Self { epoch }
    }

    /// When to serve `timer`, due `at`, of a router that advertises every `interval`: the same time later in each
    /// interval that the beat divides.
    pub(crate) fn serve_at(self, timer: Timer, at: Instant, interval: Duration) -> Instant {
        // All others decide who has the addresses, and when.
        if matches!(timer, Timer::Advertise | Timer::Announce | Timer::Renew) {
            self.next_beat(at, (interval / PART).min(MOST))
        } else {
            at
        }
    }

    /// When to carry out renewals that are wanted from `now` on.
    pub(crate) fn renewals_at(self, now: Instant) -> Instant {
        self.next_beat(now, RENEWALS)
    }

    fn next_beat(self, at: Instant, beat: Duration) -> Instant {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        let over = since.checked_rem(beat.as_nanos()).unwrap_or(0);
        if over == 0 {
            return at;
        }
        let over = u64::try_from(over).unwrap_or(0);
        at + beat.saturating_sub(Duration::from_nanos(over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn served_after(timer: Timer, at: Duration, interval: Duration) -> Duration {
        let epoch = clock::now();
        let served = Rhythm::new(epoch).serve_at(timer, epoch + at, interval);
        served.duration_since(epoch)
    }

    #[test]
    fn advertisements_wait_for_the_beat_of_a_twentieth_of_their_interval() {
        let interval = Duration::from_millis(10);
        let after = |micros| {
            let at = Duration::from_micros(micros);
            served_after(Timer::Advertise, at, interval).as_micros()
        };
        assert_eq!(
            [0, 1, 499, 500, 501, 10_001].map(after),
            [0, 500, 500, 500, 1000, 10_500]
        );
    }

    #[test]
    fn no_advertisement_waits_longer_than_five_milliseconds() {
        let at = Duration::from_millis(1001);
        let served = served_after(Timer::Advertise, at, Duration::from_secs(40));
        assert_eq!(served, Duration::from_millis(1005));
    }

    #[test]
    fn leases_are_renewed_twenty_times_a_second() {
        let epoch = clock::now();
        let rhythm = Rhythm::new(epoch);
        let at = |micros| {
            let at = rhythm.renewals_at(epoch + Duration::from_micros(micros));
            at.duration_since(epoch).as_millis()
        };
        assert_eq!([1, 49_999, 50_000, 50_001].map(at), [50, 50, 50, 100]);
    }

    #[test]
    fn packets_wait_for_a_twentieth_of_the_shortest_interval() {
        let lull = |interval| lull(Duration::from_millis(interval)).map(|lull| lull.as_micros());
        assert_eq!(
            [10, 20, 50, 100, 1000].map(lull),
            [None, Some(1000), Some(2500), Some(5000), Some(5000)]
        );
    }

    #[test]
    fn what_decides_who_has_the_addresses_waits_for_nothing() {
        let at = Duration::from_micros(1234);
        for timer in [
            Timer::Acquire,
            Timer::Leave,
            Timer::Linger,
            Timer::MasterDown,
            Timer::PreemptDelay,
            Timer::Retry,
        ] {
            assert_eq!(served_after(timer, at, Duration::from_secs(1)), at);
        }
    }
}

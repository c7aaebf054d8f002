//! Taking the place of a process that died as Master, before anybody has noticed.

use core::time::Duration;
use std::time::Instant;

use super::Election;
use crate::interface::{Reason, State, Timer};

/// A Backup waits for at least so many intervals, and a little more.
const INTERVALS: u32 = 2;

impl Election {
    pub(super) fn adopt(&mut self, now: Instant, age: Duration) {
        if self.started {
            return;
        }
        let intervals = INTERVALS.min(self.config.missed_adverts.get().into());
        let left = (self.config.interval.duration() * intervals).saturating_sub(age);
        if !left.is_zero() && self.state == State::Initialize {
            self.timers.set(Timer::Adopt, now + left);
        }
        self.startup(now);
    }

    /// May it still take the place of the one that died?
    #[must_use]
    pub fn is_adopting(&self, now: Instant) -> bool {
        self.timers.get(Timer::Adopt).is_some_and(|end| now < end)
    }

    /// Whoever was Master a moment ago has no startup delay to wait for.
    pub(super) fn take_the_place(&mut self, now: Instant) {
        self.not_before = None;
        self.become_master(now, Reason::Adopted);
    }
}

//! Leaving mastership to others, by order.

use core::time::Duration;
use std::time::Instant;

use super::Election;
use crate::config::Config;
use crate::interface::{Reason, Rejected, State, Timer};

impl Election {
    pub(super) fn stand_by(
        &mut self,
        now: Instant,
        time: Option<Duration>,
    ) -> Result<(), Rejected> {
        if !self.started {
            return Err(Rejected::NotRunning);
        }
        if time.is_some_and(|time| time.is_zero()) {
            self.end_stand_by();
            return Ok(());
        }
        self.stands_by = true;
        self.timers.stop(Timer::Adopt);
        match time {
            Some(time) => {
                let end = now + time.min(Config::LONGEST);
                self.timers.set(Timer::StandBy, end);
            }
            None => self.timers.stop(Timer::StandBy),
        }
        match self.state {
            State::Backup => self.follow_the_lesser(now),
            State::Preempting => {
                self.release();
                self.become_backup(now, Reason::StandBy);
            }
            State::Master => self.leave(now, Reason::StandBy),
            State::Initialize | State::Fault | State::Leaving => {}
        }
        Ok(())
    }

    pub(super) fn end_stand_by(&mut self) {
        self.stands_by = false;
        self.timers.stop(Timer::StandBy);
    }

    /// Does it leave mastership to others?
    #[must_use]
    pub const fn stands_by(&self) -> bool {
        self.stands_by
    }
}

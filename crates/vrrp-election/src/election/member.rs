//! What an election owes to its sync group: it becomes Master when it is raised, steps back when it is pulled, and a
//! leaving one answers until it is let go.

use core::time::Duration;
use std::time::Instant;

use super::Election;
use crate::interface::{Reason, State, Timer};

/// Where in its sync group a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its rivals decide for the group at once.
    First,
    /// Its rivals are left to step back first.
    Later,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    place: Place,
    /// How long any member waits for a successor: as long as the slowest.
    leave: Duration,
}

impl Election {
    /// Also when the group's members have changed.
    pub(crate) const fn join(&mut self, place: Place, leave: Duration) {
        self.membership = Some(Membership { place, leave });
    }

    pub(super) const fn is_member(&self) -> bool {
        self.membership.is_some()
    }

    pub(super) fn longest_leave(&self) -> Duration {
        match self.membership {
            Some(membership) => membership.leave,
            None => self.own_leave(),
        }
    }

    /// How long this one would wait for a successor, and how long if nobody could hear its goodbye.
    pub(crate) fn waits(&self) -> (Duration, Duration) {
        (self.own_leave(), self.own_silence())
    }

    /// Is it Master, or about to be?
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.state, State::Preempting | State::Master)
    }

    /// Would it be Master by now, were it alone?
    pub(crate) fn is_ready(&self) -> bool {
        self.is_member() && self.state == State::Backup && !self.timers.is_set(Timer::MasterDown)
    }

    /// What ran out meanwhile, whoever was called last. The functions below are called after it.
    pub(crate) fn come_to(&mut self, now: Instant) {
        self.latest = Some(now);
        self.lapse_if_past(now);
    }

    /// The others are ready too.
    pub(crate) fn raise(&mut self, now: Instant) {
        if self.is_ready() {
            self.rise(now);
        }
        self.check_invariants();
    }

    /// Could it take the place of the one that died, were it alone?
    pub(crate) fn may_adopt(&self, now: Instant) -> bool {
        self.is_member() && self.state == State::Backup && self.is_adopting(now)
    }

    /// So could the others.
    pub(crate) fn take_its_place(&mut self, now: Instant) {
        if self.may_adopt(now) {
            self.take_the_place(now);
        }
        self.check_invariants();
    }

    /// Another member cannot be Master: so this one hands over, for as long as `wait` at most.
    pub(crate) fn pull(&mut self, now: Instant, wait: Duration, reason: Reason) {
        match self.state {
            State::Preempting => {
                self.release();
                self.become_backup(now, reason);
            }
            State::Master => self.leave_within(now, wait, reason),
            State::Initialize | State::Fault | State::Backup | State::Leaving => {}
        }
        self.check_invariants();
    }

    /// Has the Master said that it stops?
    pub(crate) fn master_has_stopped(&self) -> bool {
        self.state == State::Backup && self.watch.stopped
    }

    /// The same machine said so to another member: unless it advertises here once more, it is gone here too.
    pub(crate) fn hasten(&mut self, now: Instant) {
        self.come_to(now);
        let wait = self.watch.interval + self.skew(self.priority);
        if self.state == State::Backup
            && self
                .timers
                .get(Timer::MasterDown)
                .is_some_and(|at| at > now + wait)
        {
            self.timers.set(Timer::MasterDown, now + wait);
        }
        self.check_invariants();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }

    pub(crate) fn may_be_let_go(&self) -> bool {
        self.is_leaving() && !self.timers.is_set(Timer::Leave)
    }

    /// Has it waited in vain, and could it be Master again?
    pub(crate) fn may_stay(&self, now: Instant) -> bool {
        self.may_be_let_go() && self.could_stay(now)
    }

    /// Nobody took over anywhere.
    pub(crate) fn keep(&mut self, now: Instant) {
        if self.may_stay(now) {
            self.stay(now);
        }
        self.check_invariants();
    }

    pub(crate) fn let_go(&mut self, now: Instant) {
        if self.may_be_let_go() {
            self.left(now);
        }
        self.check_invariants();
    }

    /// Two groups that become Master at the same moment may each outrank the other on one link. So that not both
    /// step back, only the first member does so at once, and a later one when it is outranked for more than half an
    /// interval: by then the rival's first member has stepped back, if it heard ours.
    pub(super) fn stands(&mut self, now: Instant) -> bool {
        if !matches!(self.membership, Some(membership) if membership.place == Place::Later) {
            return false;
        }
        let since = |moment: Instant| now.saturating_duration_since(moment);
        let silence = self.master_down_interval();
        let first = self.reign.outranked.filter(|first| since(*first) < silence);
        let first = *self.reign.outranked.insert(first.unwrap_or(now));
        since(first) <= self.config.interval.duration() / 2
    }

    #[cfg(test)]
    pub(crate) fn due(&self, timer: Timer) -> Option<Instant> {
        self.timers.get(timer)
    }
}

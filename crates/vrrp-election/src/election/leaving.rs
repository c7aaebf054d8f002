//! Handing over: saying goodbye, and answering until the successor does.

use core::time::Duration;
use std::time::Instant;

use locum_vrrp_wire::Priority;

use super::Election;
use crate::interface::{Action, Advert, Reason, State, Timer};

/// How long a former Master goes on answering after its successor's first advertisement, and how much longer for each
/// address that the successor has to add.
const LINGER: Duration = Duration::from_millis(50);
const LINGER_PER_ADDRESS: Duration = Duration::from_micros(500);
/// The shortest and the longest wait for a successor.
const WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

impl Election {
    pub(super) fn leave(&mut self, now: Instant, reason: Reason) {
        self.leave_within(now, self.longest_leave(), reason);
    }

    /// Waits for a successor for as long as `wait`.
    pub(super) fn leave_within(&mut self, now: Instant, wait: Duration, reason: Reason) {
        for timer in [Timer::Announce, Timer::Advertise] {
            self.timers.stop(timer);
        }
        self.say_goodbye();
        self.await_successor(now, wait);
        self.transition(State::Leaving, reason);
    }

    /// A leaver that had recovered has to go after all: whoever has come since has heard no goodbye.
    pub(super) fn leave_anew(&mut self, now: Instant) {
        if self.state == State::Leaving && self.started && !self.is_succeeded() {
            self.say_goodbye();
            self.await_successor(now, self.longest_leave());
        }
    }

    fn await_successor(&mut self, now: Instant, wait: Duration) {
        let interval = self.config.interval.duration();
        self.timers.set(Timer::Advertise, now + interval);
        self.timers.set(Timer::Leave, now + wait);
    }

    pub(super) fn say_goodbye(&mut self) {
        self.stats.priority_zero_sent += 1;
        self.push(Action::Advertise(Priority::STOP));
    }

    pub(super) fn leaving_hears(&mut self, now: Instant, advert: Advert) {
        let is_successor = |master: super::MasterSeen| master.source == advert.source;
        if advert.priority.is_stop() && self.watch.master.is_some_and(is_successor) {
            // It stops in its turn: it is the next one that takes over from us.
            self.watch.master = None;
            self.await_successor(now, self.longest_leave());
            return;
        }
        if !advert.priority.is_stop() && !self.is_succeeded() {
            self.watch.master = Some(super::MasterSeen {
                source: advert.source,
                priority: advert.priority,
                at: now,
            });
            self.timers.stop(Timer::Advertise);
            self.timers.set(Timer::Leave, now + self.linger());
        }
    }

    /// How long it takes until the slowest successor has heard the goodbye, were it the second one, and taken over.
    pub(super) fn own_leave(&self) -> Duration {
        self.wait_for(2)
    }

    /// How long it takes until the slowest successor has given up a Master that was cut off without a goodbye.
    pub(super) fn own_silence(&self) -> Duration {
        self.wait_for(u32::from(self.config.missed_adverts.get()))
    }

    fn wait_for(&self, intervals: u32) -> Duration {
        let wait = self.config.interval.duration() * intervals + self.skew(Priority::MIN);
        wait.clamp(WAIT.0, WAIT.1)
    }

    /// Nobody has taken over: whoever could be Master again by now stays so, rather than let go of the addresses and
    /// wait for a Master that there is not. A member of a group goes on answering until the others have been succeeded
    /// too, or have waited for long enough.
    pub(super) fn leave_over(&mut self, now: Instant) {
        if self.is_member() {
            return;
        }
        if self.could_stay(now) {
            self.stay(now);
        } else {
            self.left(now);
        }
    }

    pub(super) fn could_stay(&self, now: Instant) -> bool {
        self.started && !self.faults.any() && self.may_be_master(now) && !self.is_succeeded()
    }

    pub(super) fn stay(&mut self, now: Instant) {
        self.timers.stop(Timer::Advertise);
        self.become_master(now, Reason::NoSuccessor);
    }

    /// The wait is over, or there is nothing to wait for.
    pub(super) fn left(&mut self, now: Instant) {
        let reason = if self.is_succeeded() {
            Reason::Succeeded
        } else {
            Reason::NoSuccessor
        };
        self.release();
        self.timers.stop_all();
        if self.started {
            self.begin(now, reason);
        } else {
            self.transition(State::Initialize, reason);
        }
    }

    const fn is_succeeded(&self) -> bool {
        self.watch.master.is_some()
    }

    pub(super) fn linger(&self) -> Duration {
        LINGER + LINGER_PER_ADDRESS * u32::from(self.config.addresses)
    }
}

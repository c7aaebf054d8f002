//! Holding the addresses by a lease, and what happens when it ends or fails.

use std::time::Instant;

use super::Election;
use crate::config::Config;
use crate::interface::{Action, HoldId, Reason, State, Timer};

/// The addresses are asked for, or held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) id: HoldId,
    pub(super) until: Option<Instant>,
    /// They were reported to be there.
    pub(super) held: bool,
    /// When that was last reported; before that, when they were asked for.
    heard: Instant,
}

impl Election {
    pub(super) fn acquire(&mut self, now: Instant) {
        self.holds += 1;
        self.hold_on(
            now,
            Hold {
                id: HoldId(self.holds),
                until: None,
                held: false,
                heard: now,
            },
        );
    }

    pub(super) fn renew(&mut self, now: Instant) {
        let Some(hold) = self.hold else { return };
        let silent = now.saturating_duration_since(hold.heard);
        if self
            .config
            .lease_duration()
            .is_some_and(|lease| silent >= lease)
        {
            // Whoever puts the addresses there is stuck, and by now the kernel has taken them away.
            self.hold_failed(now);
        }
        // Unless that ended it.
        if let Some(hold) = self.hold {
            self.hold_on(now, hold);
        }
    }

    pub(super) fn hold_on(&mut self, now: Instant, hold: Hold) {
        let until = self.config.lease_duration().map(|lease| now + lease);
        self.hold = Some(Hold { until, ..hold });
        self.push(Action::Hold { id: hold.id, until });
        if until.is_some() {
            self.timers.set(Timer::Renew, now + Config::RENEWAL);
        } else {
            self.timers.stop(Timer::Renew);
        }
    }

    pub(super) fn release(&mut self) {
        if self.hold.take().is_some() {
            self.timers.stop(Timer::Renew);
            self.timers.stop(Timer::Linger);
            self.push(Action::Release);
        }
    }

    pub(super) fn is_held_as(&self, id: HoldId) -> bool {
        self.hold.is_some_and(|hold| hold.id == id)
    }

    pub(super) fn held(&mut self, now: Instant) {
        if let Some(hold) = &mut self.hold {
            hold.held = true;
            hold.heard = now;
        }
        if self.state == State::Preempting {
            self.become_master(now, Reason::MasterLesser);
        }
    }

    pub(super) fn hold_failed(&mut self, now: Instant) {
        self.stats.holds_failed += 1;
        if matches!(self.state, State::Preempting | State::Master) {
            self.faults.addresses = true;
            self.faults_changed(now);
        }
    }

    pub(super) fn lapse_if_past(&mut self, now: Instant) {
        if self
            .hold
            .and_then(|hold| hold.until)
            .is_some_and(|until| now >= until)
        {
            self.lapse(now);
        }
    }

    /// The addresses are gone though the election goes on: others believe in this Master until they are told.
    pub(super) fn hold_lapsed(&mut self, now: Instant) {
        if self.state == State::Master {
            self.say_goodbye();
        }
        self.lapse(now);
    }

    /// The kernel has taken the addresses away, or is about to: somebody else has them by now.
    fn lapse(&mut self, now: Instant) {
        self.stats.leases_lapsed += 1;
        match self.state {
            State::Initialize | State::Fault => {}
            State::Backup => self.release(),
            State::Preempting | State::Master => {
                self.release();
                self.become_backup(now, Reason::LeaseLapsed);
            }
            State::Leaving => self.left(now),
        }
    }
}

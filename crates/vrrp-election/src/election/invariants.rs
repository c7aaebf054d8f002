//! What holds after every input, in whatever order they come.

use super::Election;
use crate::interface::{State, Timer};

const TIMERS: [Timer; 11] = [
    Timer::MasterDown,
    Timer::PreemptDelay,
    Timer::Linger,
    Timer::Acquire,
    Timer::Advertise,
    Timer::Announce,
    Timer::Renew,
    Timer::Leave,
    Timer::Retry,
    Timer::Adopt,
    Timer::StandBy,
];

impl Election {
    /// Costs nothing in a release build.
    pub(super) fn check_invariants(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        for timer in TIMERS {
            let (must, may) = self.timer_runs(timer);
            let runs = self.timers.is_set(timer);
            debug_assert!(runs || !must, "{timer:?} does not run: {self:?}");
            debug_assert!(!runs || may, "{timer:?} runs: {self:?}");
        }
        let holds = match self.state {
            State::Initialize | State::Fault => false,
            State::Backup => self.timers.is_set(Timer::Linger),
            State::Preempting | State::Master | State::Leaving => true,
        };
        debug_assert_eq!(self.hold.is_some(), holds, "holding: {self:?}");
        debug_assert!(
            self.hold
                .and_then(|hold| hold.until)
                .is_none_or(|until| Some(until) > self.latest),
            "a lease that has passed is not held: {self:?}"
        );
        let faulty = match self.state {
            State::Initialize => true,
            State::Fault => self.faults.any(),
            State::Backup | State::Preempting | State::Master => !self.faults.any(),
            State::Leaving => !self.faults.cut_off(),
        };
        debug_assert!(faulty, "faults: {self:?}");
        let started = match self.state {
            State::Initialize => !self.started,
            State::Fault | State::Backup | State::Preempting | State::Master => self.started,
            State::Leaving => true,
        };
        debug_assert!(started, "started: {self:?}");
        debug_assert!(self.started || !self.stands_by, "stands by: {self:?}");
        debug_assert!(
            !self.priority.is_stop() && self.priority.is_owner() == self.config.priority.is_owner(),
            "priority: {self:?}"
        );
    }

    /// Must it run now, and may it?
    fn timer_runs(&self, timer: Timer) -> (bool, bool) {
        let only = |state| (self.state == state, self.state == state);
        let in_state = |state| (false, self.state == state);
        match timer {
            // A member whose wait is over waits for the rest of its group.
            Timer::MasterDown if self.is_member() => in_state(State::Backup),
            Timer::MasterDown => only(State::Backup),
            Timer::Acquire => only(State::Preempting),
            Timer::Leave if self.is_member() => in_state(State::Leaving),
            Timer::Leave => only(State::Leaving),
            Timer::Advertise => {
                let master = self.state == State::Master;
                (master, master || self.state == State::Leaving)
            }
            Timer::Announce => in_state(State::Master),
            Timer::PreemptDelay | Timer::Linger => in_state(State::Backup),
            Timer::Renew => {
                let leased = self.hold.is_some_and(|hold| hold.until.is_some());
                (leased, leased)
            }
            Timer::Adopt => (false, matches!(self.state, State::Fault | State::Backup)),
            Timer::StandBy => (false, self.stands_by),
            Timer::Retry => {
                let failed = self.faults.addresses || self.faults.sending;
                let retries = self.state == State::Fault && failed;
                (retries, retries)
            }
        }
    }
}

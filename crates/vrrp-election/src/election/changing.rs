//! Another configuration for a router that runs.

use std::time::Instant;

use locum_vrrp_wire::Version;

use super::Election;
use crate::config::{Config, Preempt};
use crate::interface::{Rejected, State, Timer};

impl Election {
    pub(super) fn reconfigure(&mut self, now: Instant, config: Config) -> Result<(), Rejected> {
        if config.interval.version() != self.config.interval.version() {
            return Err(Rejected::Version);
        }
        if config.priority.is_owner() != self.config.priority.is_owner() {
            return Err(Rejected::Priority);
        }
        let old = core::mem::replace(&mut self.config, config);
        self.lease_changed(now, &old);
        self.interval_changed(now, &old);
        self.startup_delay_changed(&old);
        self.preempt_changed(now, &old);
        let schedule_changed = (old.announce, old.lease_duration())
            != (self.config.announce, self.config.lease_duration());
        if schedule_changed && self.state == State::Master {
            self.reschedule_announcements(now);
        }
        if self.state == State::Backup && old != self.config {
            self.go_on_watching(now);
        }
        if self.priority == old.priority && self.priority != self.config.priority {
            self.priority = self.config.priority;
            self.priority_changed(now);
        }
        Ok(())
    }

    /// Before a longer interval is in force, the kernel keeps the addresses for longer.
    fn lease_changed(&mut self, now: Instant, old: &Config) {
        if let Some(hold) = self.hold
            && old.lease_duration() != self.config.lease_duration()
        {
            self.hold_on(now, hold);
        }
    }

    /// The next advertisement comes when the shorter one of both has passed since the last.
    fn interval_changed(&mut self, now: Instant, old: &Config) {
        let (before, after) = (old.interval.duration(), self.config.interval.duration());
        if before == after {
            return;
        }
        if self.config.interval.version() == Version::V2 || !self.watch.learned {
            self.watch.interval = after;
            self.watch.watches_from(now);
        }
        let sooner = before.saturating_sub(after);
        if self.state == State::Master
            && let Some(next) = self.timers.get(Timer::Advertise)
        {
            let next = next.checked_sub(sooner).unwrap_or(now).max(now);
            self.timers.set(Timer::Advertise, next);
        }
    }

    fn startup_delay_changed(&mut self, old: &Config) {
        let delay = self.config.startup_delay;
        if let Some(end) = self.not_before
            && old.startup_delay != delay
        {
            let start = end.checked_sub(old.startup_delay);
            self.not_before = start.map(|start| start + delay);
        }
    }

    fn preempt_changed(&mut self, now: Instant, old: &Config) {
        if old.preempt == self.config.preempt || self.state != State::Backup {
            return;
        }
        match (old.preempt, self.config.preempt) {
            (_, Preempt::Forbid) => self.follow_the_lesser(now),
            (Preempt::Allow { delay: before }, Preempt::Allow { delay }) => {
                if let Some(end) = self.timers.get(Timer::PreemptDelay) {
                    let begun = end.checked_sub(before).unwrap_or(now);
                    let end = (begun + delay).max(self.not_before.unwrap_or(now)).max(now);
                    self.timers.set(Timer::PreemptDelay, end);
                }
            }
            (Preempt::Forbid, Preempt::Allow { .. }) => {}
        }
    }
}

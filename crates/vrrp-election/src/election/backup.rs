//! Watching the Master (RFC 9568 §6.4.2), and the moment before taking over from a lesser one.

use core::time::Duration;
use std::time::Instant;

use locum_vrrp_wire::{Priority, Version};

use super::{Election, MasterSeen};
use crate::config::{Config, Preempt};
use crate::interface::{Advert, Reason, State, Timer};

/// How long a preemptor waits for its addresses before it advertises all the same.
const ACQUIRE: Duration = Duration::from_millis(20);

/// What a Backup knows of the Master.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) master: Option<MasterSeen>,
    /// `Master_Adver_Interval` (RFC 9568 §6.1).
    interval: Duration,
    /// When the wait that ends with [`Timer::MasterDown`] began.
    since: Option<Instant>,
    /// The Master said that it stops.
    stopped: bool,
    /// When a lesser Master was last heard that does not keep us from taking over.
    lesser: Option<Instant>,
    /// A deadline far too late was answered by listening once more.
    listened: bool,
}

impl Watch {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            master: None,
            interval: config.interval.duration(),
            since: None,
            stopped: false,
            lesser: None,
            listened: false,
        }
    }
}

impl Election {
    pub(super) fn become_backup(&mut self, now: Instant, reason: Reason) {
        self.timers.stop_all();
        self.watch = Watch {
            since: Some(now),
            ..Watch::new(&self.config)
        };
        self.watch_again();
        self.transition(State::Backup, reason);
    }

    /// RFC 9568 §6.4.3: a Master that hears a better one steps back. It goes on answering for a moment, since the
    /// better one advertises before all of its addresses are there.
    pub(super) fn yield_to(&mut self, now: Instant, advert: Advert) {
        self.timers.stop_all();
        self.watch = Watch::new(&self.config);
        self.accept(now, advert);
        self.timers.set(Timer::Linger, now + self.linger());
        let Advert {
            source, priority, ..
        } = advert;
        self.transition(State::Backup, Reason::Outranked { source, priority });
    }

    pub(super) fn backup_hears(&mut self, now: Instant, advert: Advert) {
        if advert.priority.is_stop() {
            self.master_stops(now, advert);
        } else if advert.priority >= self.priority {
            self.timers.stop(Timer::PreemptDelay);
            self.watch.lesser = None;
            self.accept(now, advert);
        } else {
            self.watch.lesser = Some(now);
            match self.preempt() {
                Preempt::Allow { delay } if delay.is_zero() => {
                    self.watch.master = Some(seen(now, advert));
                }
                Preempt::Allow { delay } => {
                    if !self.timers.is_set(Timer::PreemptDelay) {
                        let moment = now + delay;
                        self.timers.set(
                            Timer::PreemptDelay,
                            self.not_before.map_or(moment, |start| start.max(moment)),
                        );
                    }
                    self.accept(now, advert);
                }
                Preempt::Forbid => self.accept(now, advert),
            }
        }
    }

    fn preempt(&self) -> Preempt {
        if self.priority.is_owner() {
            // RFC 9568 §6.1: the owner always preempts.
            return Preempt::Allow {
                delay: Duration::ZERO,
            };
        }
        self.config.preempt
    }

    fn master_stops(&mut self, now: Instant, advert: Advert) {
        let other = self.watch.master.is_some_and(|master| {
            master.source != advert.source
                && now.saturating_duration_since(master.at) < self.master_down_interval()
        });
        if other {
            // Not the Master we watch, and that one lives: a router that had been Master beside it.
            return;
        }
        self.timers.stop(Timer::PreemptDelay);
        self.watch.stopped = true;
        self.watch.lesser = None;
        self.watch_from(now);
    }

    fn accept(&mut self, now: Instant, advert: Advert) {
        self.watch.master = Some(seen(now, advert));
        if advert.interval.version() == Version::V3 {
            self.watch.interval = advert.interval.duration();
        }
        self.watch.stopped = false;
        self.watch_from(now);
    }

    fn watch_from(&mut self, now: Instant) {
        self.watch.since = Some(now);
        self.watch.listened = false;
        self.watch_again();
    }

    /// Sets `Master_Down_Timer` anew from when the wait began.
    pub(super) fn watch_again(&mut self) {
        let wait = if self.watch.stopped {
            self.skew(self.priority)
        } else {
            self.master_down_interval()
        };
        let owner_waits = self.not_before.filter(|_| self.priority.is_owner());
        if let Some(since) = self.watch.since {
            self.timers
                .set(Timer::MasterDown, owner_waits.unwrap_or(since + wait));
        }
    }

    pub(super) fn master_down(&mut self, now: Instant, due: Instant) {
        if let Some(moment) = self.not_before.filter(|moment| now < *moment) {
            self.timers.set(Timer::MasterDown, moment);
            return;
        }
        // This process did not run when the deadline passed: what the Master sent meanwhile is not read yet.
        if now.saturating_duration_since(due) > self.watch.interval && !self.watch.listened {
            self.watch.listened = true;
            self.timers
                .set(Timer::MasterDown, now + self.watch.interval);
            return;
        }
        if self.hears_lesser(now) {
            self.take_over(now);
        } else if self.watch.stopped {
            self.become_master(now, Reason::MasterStopped);
        } else {
            self.become_master(now, Reason::MasterSilent);
        }
    }

    pub(super) fn preempt_delay_over(&mut self, now: Instant) {
        if self.hears_lesser(now) {
            self.take_over(now);
        }
    }

    fn hears_lesser(&self, now: Instant) -> bool {
        self.watch
            .lesser
            .is_some_and(|heard| now.saturating_duration_since(heard) < self.master_down_interval())
    }

    /// Adds the addresses before the first advertisement, so that the lesser Master, which lets go when it hears it,
    /// leaves no gap.
    fn take_over(&mut self, now: Instant) {
        self.timers.stop_all();
        self.acquire(now);
        self.timers.set(Timer::Acquire, now + ACQUIRE);
        self.transition(State::Preempting, Reason::MasterLesser);
    }

    pub(super) fn preempting_hears(&mut self, now: Instant, advert: Advert) {
        if advert.priority < self.priority {
            return;
        }
        self.release();
        self.become_backup(
            now,
            Reason::Outranked {
                source: advert.source,
                priority: advert.priority,
            },
        );
        self.accept(now, advert);
    }

    /// `Skew_Time`: (256 − priority) / 256 of a second in v2 (RFC 3768 §6.1), of the Master's interval in v3
    /// (RFC 9568 §6.1). Exact to the nanosecond.
    pub(super) fn skew(&self, priority: Priority) -> Duration {
        let whole = match self.config.interval.version() {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.watch.interval,
        };
        whole * (256 - u32::from(priority.get())) / 256
    }

    /// `Master_Down_Interval` (RFC 9568 §6.1), with a configurable number of adverts.
    fn master_down_interval(&self) -> Duration {
        self.watch.interval * u32::from(self.config.missed_adverts.get()) + self.skew(self.priority)
    }
}

fn seen(now: Instant, advert: Advert) -> MasterSeen {
    MasterSeen {
        source: advert.source,
        priority: advert.priority,
        at: now,
    }
}

//! Watching the Master (RFC 9568 §6.4.2), and the moment before taking over from a lesser one.

use core::time::Duration;
use std::time::Instant;

use locum_vrrp_wire::{Priority, Version};

use super::{Election, MasterSeen};
use crate::config::{Config, Preempt};
use crate::interface::{Advert, Reason, State, Timer};

/// How long a preemptor waits for its addresses before it advertises all the same.
pub(crate) const ACQUIRE: Duration = Duration::from_millis(20);

/// A deadline served later than this was missed because the process did not run.
const PUNCTUAL: Duration = Duration::from_millis(1);

/// What a Backup knows of the Master.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) master: Option<MasterSeen>,
    /// The best of those heard lately. Somebody lesser who steps back advertises a last time, and is then not the
    /// Master though heard last.
    best: Option<MasterSeen>,
    /// `Master_Adver_Interval` (RFC 9568 §6.1).
    pub(super) interval: Duration,
    /// It is a Master's, not the configured one.
    pub(super) learned: bool,
    /// When the wait that ends with [`Timer::MasterDown`] began.
    since: Option<Instant>,
    /// The Master said that it stops.
    pub(super) stopped: bool,
    /// When a lesser Master was last heard that does not keep us from taking over.
    lesser: Option<Instant>,
    /// A deadline far too late was answered by listening once more.
    listened: bool,
}

impl Watch {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            master: None,
            best: None,
            interval: config.interval.duration(),
            learned: false,
            since: None,
            stopped: false,
            lesser: None,
            listened: false,
        }
    }

    /// The wait, if there is one, begins at `now`.
    pub(super) fn watches_from(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
        self.listened = false;
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
        if let Some(moment) = self.not_before.filter(|moment| now < *moment)
            && self.priority.is_owner()
        {
            // RFC 9568 §6.4.1: the owner does not wait, but for its startup delay.
            self.timers.set(Timer::MasterDown, moment);
        }
        self.transition(State::Backup, reason);
    }

    /// RFC 9568 §6.4.3: a Master that hears a better one steps back. It goes on answering for a moment, since the
    /// better one advertises before all of its addresses are there. And it advertises a last time: a better Master
    /// that has not heard it yet, since the network was split, announces itself when it does.
    pub(super) fn yield_to(&mut self, now: Instant, advert: Advert) {
        self.advertise(now);
        self.timers.stop(Timer::Advertise);
        self.timers.stop(Timer::Announce);
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
            let is_news = !self.hears_lesser(now);
            self.watch.lesser = Some(now);
            match self.preempt() {
                Preempt::Allow { delay } if delay.is_zero() => {
                    let better = |master: MasterSeen| master.priority >= self.priority;
                    if !self.living_master(now).is_some_and(better) {
                        self.watch.master = Some(seen(now, advert));
                    }
                }
                Preempt::Allow { .. } if self.better_lives(now, advert) => {
                    // Its last words: there is nothing to preempt.
                }
                Preempt::Allow { .. } if self.is_ready() && !is_news => {
                    // The delay is over, and only the rest of the sync group is waited for.
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
        if self.stands_by {
            return Preempt::Forbid;
        }
        if self.priority.is_owner() {
            // RFC 9568 §6.1: the owner always preempts.
            return Preempt::Allow {
                delay: Duration::ZERO,
            };
        }
        self.config.preempt
    }

    fn master_stops(&mut self, now: Instant, advert: Advert) {
        let best = self.watch.best.filter(|best| self.lives(now, *best));
        let other = |master: MasterSeen| master.source != advert.source;
        if self.living_master(now).is_some_and(other) && best.is_none_or(other) {
            // Not the Master we watch, and that one lives: a router that had been Master beside it.
            return;
        }
        self.watch.best = None;
        self.timers.stop(Timer::PreemptDelay);
        self.watch.stopped = true;
        self.watch.lesser = None;
        self.watch_from(now);
    }

    fn living_master(&self, now: Instant) -> Option<MasterSeen> {
        self.watch.master.filter(|master| self.lives(now, *master))
    }

    /// Is there a better Master than we are, beside the sender?
    fn better_lives(&self, now: Instant, advert: Advert) -> bool {
        self.watch.best.is_some_and(|best| {
            best.source != advert.source && best.priority >= self.priority && self.lives(now, best)
        })
    }

    fn lives(&self, now: Instant, master: MasterSeen) -> bool {
        now.saturating_duration_since(master.at) < self.master_down_interval()
    }

    fn accept(&mut self, now: Instant, advert: Advert) {
        let newcomer = seen(now, advert);
        let rank = |one: MasterSeen| (one.priority, one.source);
        let better = self.watch.best.filter(|best| {
            best.source != newcomer.source && rank(*best) > rank(newcomer) && self.lives(now, *best)
        });
        self.watch.best = better.or(Some(newcomer));
        self.watch.master = Some(newcomer);
        if advert.interval.version() == Version::V3 {
            let theirs = advert.interval.duration();
            self.watch.interval = match better {
                // These may be its last words, and the better one advertises by its own interval.
                Some(_) => theirs.max(self.watch.interval),
                None => theirs,
            };
            self.watch.learned = true;
        }
        self.watch.stopped = false;
        self.watch_from(now);
    }

    fn watch_from(&mut self, now: Instant) {
        self.watch.since = Some(now);
        self.watch.listened = false;
        self.watch_again();
    }

    /// A lesser Master is not to be preempted any more: it is watched from when it was last heard.
    pub(super) fn follow_the_lesser(&mut self, now: Instant) {
        if self.preempt() != Preempt::Forbid {
            return;
        }
        self.timers.stop(Timer::PreemptDelay);
        let heard = self.watch.lesser.filter(|_| self.hears_lesser(now));
        if heard.is_some() {
            self.watch.stopped = false;
            self.watch.listened = false;
            self.watch.since = self.watch.since.max(heard);
            self.watch_again();
        }
    }

    /// With other parameters. A wait that is over stays over, and a last look lasts as long as it does.
    pub(super) fn go_on_watching(&mut self, now: Instant) {
        let owner_waits = self.priority.is_owner() && !self.may_be_master(now);
        if !(self.watch.listened || self.is_ready() || owner_waits) {
            self.watch_again();
        }
    }

    /// The Master that was lesser may be better now.
    pub(super) fn priority_changed(&mut self, now: Instant) {
        let priority = self.priority;
        let better = self.watch.master.filter(|seen| seen.priority >= priority);
        match (self.state, better) {
            (
                State::Preempting,
                Some(MasterSeen {
                    source, priority, ..
                }),
            ) => {
                self.release();
                self.become_backup(now, Reason::Outranked { source, priority });
                self.watch.master = better;
            }
            (State::Backup, better) => {
                let was_ready = self.is_ready();
                let mut watches_anew = false;
                if let Some(master) = better
                    && self.watch.lesser.take().is_some()
                {
                    watches_anew = true;
                    self.timers.stop(Timer::PreemptDelay);
                    self.watch.stopped = false;
                    self.watch.since = self.watch.since.max(Some(master.at));
                }
                if watches_anew || !(self.watch.listened || was_ready) {
                    self.watch_again();
                }
            }
            (State::Master, _) => self.advertise(now),
            (State::Initialize | State::Fault | State::Preempting | State::Leaving, _) => {}
        }
    }

    /// Sets `Master_Down_Timer` anew from when the wait began.
    fn watch_again(&mut self) {
        let wait = if self.watch.stopped {
            self.skew(self.priority)
        } else {
            self.master_down_interval()
        };
        if let Some(since) = self.watch.since {
            self.timers.set(Timer::MasterDown, since + wait);
        }
    }

    pub(super) fn master_down(&mut self, now: Instant, due: Instant) {
        if let Some(moment) = self.not_before.filter(|moment| now < *moment) {
            self.timers.set(Timer::MasterDown, moment);
            return;
        }
        // This process did not run when the deadline passed: what the Master sent meanwhile is not read yet.
        let late = now.saturating_duration_since(due);
        if late > PUNCTUAL && !self.watch.listened {
            self.watch.listened = true;
            self.timers
                .set(Timer::MasterDown, now + late.min(self.watch.interval));
            return;
        }
        if !self.is_member() {
            self.rise(now);
        }
    }

    /// Nothing keeps it from being Master any more.
    pub(super) fn rise(&mut self, now: Instant) {
        if self.hears_lesser(now) {
            self.take_over(now);
        } else if self.watch.stopped {
            self.become_master(now, Reason::MasterStopped);
        } else {
            self.become_master(now, Reason::MasterSilent);
        }
    }

    pub(super) fn preempt_delay_over(&mut self, now: Instant) {
        if !self.hears_lesser(now) {
            return;
        }
        if self.is_member() {
            self.timers.stop(Timer::MasterDown);
        } else {
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
        Duration::from_nanos(self.skew_nanos(priority))
    }

    fn skew_nanos(&self, priority: Priority) -> u64 {
        let whole = match self.config.interval.version() {
            Version::V2 => 1_000_000_000,
            Version::V3 => nanos(self.watch.interval),
        };
        whole * (256 - u64::from(priority.get())) / 256
    }

    /// `Master_Down_Interval` (RFC 9568 §6.1), with a configurable number of adverts.
    pub(super) fn master_down_interval(&self) -> Duration {
        let adverts = nanos(self.watch.interval) * u64::from(self.config.missed_adverts.get());
        Duration::from_nanos(adverts + self.skew_nanos(self.priority))
    }
}

/// Arithmetic on a `Duration` is several times slower. An interval has at most 255 s.
const fn nanos(interval: Duration) -> u64 {
    interval.as_secs() * 1_000_000_000 + interval.subsec_nanos() as u64
}

fn seen(now: Instant, advert: Advert) -> MasterSeen {
    MasterSeen {
        source: advert.source,
        priority: advert.priority,
        at: now,
    }
}

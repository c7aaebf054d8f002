//! The state machine: one entry point, one queue of actions, one deadline.

mod adopting;
mod backup;
mod changing;
mod holding;
mod invariants;
mod leaving;
mod master;
mod member;
mod stand_by;
#[cfg(test)]
pub(crate) mod tests;

use core::time::Duration;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use locum_vrrp_wire::{Priority, Version};

pub(crate) use self::backup::ACQUIRE;
use self::backup::Watch;
use self::holding::Hold;
use self::master::Reign;
use self::member::Membership;
pub(crate) use self::member::Place;
use crate::config::Config;
use crate::interface::{
    Action, Advert, Deadline, Effect, Faults, HoldId, Input, Link, Reason, Rejected, State, Stats,
    Timer, Tracking, Transition,
};
use crate::timers::Timers;

/// How long after a failed effect it is tried again, at first and at most; doubled each time.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// The election of one virtual router (RFC 9568 §6.4; RFC 3768 §6.4 for v2).
///
/// See the [crate documentation](crate) for the contract and an example.
#[derive(Debug, Clone)]
pub struct Election {
    config: Config,
    priority: Priority,
    /// Its sync group, if it is in one.
    membership: Option<Membership>,
    started: bool,
    state: State,
    faults: Faults,
    source: Option<IpAddr>,
    /// No mastership before this moment.
    not_before: Option<Instant>,
    /// It leaves mastership to others.
    stands_by: bool,
    watch: Watch,
    reign: Reign,
    hold: Option<Hold>,
    holds: u64,
    retry: Duration,
    timers: Timers,
    actions: VecDeque<Action>,
    stats: Stats,
    latest: Option<Instant>,
}

/// The Master as a Backup last heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MasterSeen {
    /// The address it sends from.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// When it was last heard.
    pub at: Instant,
}

impl Election {
    /// A router in state [`State::Initialize`], without a link and without a source address.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            priority: config.priority,
            membership: None,
            started: false,
            state: State::Initialize,
            faults: Faults {
                link: true,
                source: true,
                ..Faults::default()
            },
            source: None,
            not_before: None,
            stands_by: false,
            watch: Watch::new(&config),
            reign: Reign::default(),
            hold: None,
            holds: 0,
            retry: RETRY.0,
            timers: Timers::default(),
            actions: VecDeque::with_capacity(8),
            stats: Stats::default(),
            latest: None,
            config,
        }
    }

    /// Takes in one thing that happened at `now`. An older `now` than the latest seen is taken for that.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the input means nothing here; nothing changed but a counter.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), Rejected> {
        let now = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(now);
        self.lapse_if_past(now);
        let result = match input {
            Input::Startup => {
                self.startup(now);
                Ok(())
            }
            Input::Adopt { age } => {
                self.adopt(now, age);
                Ok(())
            }
            Input::Shutdown => {
                self.shutdown(now);
                Ok(())
            }
            Input::SetPriority(priority) => self.set_priority(now, priority),
            Input::Reconfigure(config) => self.reconfigure(now, config),
            Input::StandBy { time } => self.stand_by(now, time),
            Input::Announce => {
                self.announce_again(now);
                Ok(())
            }
            Input::Advertisement(advert) => self.advertisement(now, advert),
            Input::Link(link) => {
                self.faults.link = link == Link::Down;
                self.faults_changed(now);
                Ok(())
            }
            Input::Source(source) => {
                self.source = source;
                self.faults.source = source.is_none();
                self.faults_changed(now);
                Ok(())
            }
            Input::Tracking(tracking) => {
                let recovered = self.state == State::Leaving && !self.faults.any();
                self.faults.tracking = tracking == Tracking::Failed;
                self.faults_changed(now);
                if recovered && self.faults.any() {
                    self.leave_anew(now);
                }
                Ok(())
            }
            Input::Effect(effect) => {
                self.effect(now, effect);
                Ok(())
            }
            Input::Timeout => {
                self.timeout(now);
                Ok(())
            }
        };
        self.check_invariants();
        result
    }

    /// The next thing to do. Drain it to `None` after each [`handle`](Self::handle).
    #[must_use = "an action that is not carried out leaves the network in another state than the election believes"]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timeout`] is due. Any call of [`handle`](Self::handle) may change it.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// Where the router is in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What is missing for taking part.
    #[must_use]
    pub const fn faults(&self) -> Faults {
        self.faults
    }

    /// The priority it has now.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// What it was configured with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What happened so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whom it watches, if it has heard of anybody since it last was Master itself.
    #[must_use]
    pub const fn master(&self) -> Option<MasterSeen> {
        self.watch.master
    }

    /// Does it hold the addresses, and until when may the kernel keep them?
    #[must_use]
    pub fn holds(&self) -> Option<(HoldId, Option<Instant>)> {
        self.hold.map(|hold| (hold.id, hold.until))
    }

    fn startup(&mut self, now: Instant) {
        if self.started {
            return;
        }
        self.started = true;
        let delay = self.config.startup_delay;
        self.not_before = (!delay.is_zero()).then(|| now + delay);
        if self.state == State::Initialize {
            self.begin(now, Reason::Started);
        }
    }

    /// Enters the election, from wherever the router was outside it.
    fn begin(&mut self, now: Instant, reason: Reason) {
        if self.faults.any() {
            self.enter_fault(now);
        } else if self.is_adopting(now) && !self.is_member() {
            self.take_the_place(now);
        } else if self.priority.is_owner() && self.may_be_master(now) && !self.stands_by {
            // RFC 9568 §6.4.1: the owner does not wait.
            self.become_master(now, Reason::Owner);
        } else {
            self.become_backup(now, reason);
        }
    }

    fn may_be_master(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|moment| now >= moment)
    }

    fn shutdown(&mut self, now: Instant) {
        let again = !self.started;
        self.started = false;
        self.timers.stop(Timer::Adopt);
        self.end_stand_by();
        match self.state {
            State::Initialize => {}
            State::Fault | State::Backup | State::Preempting => {
                self.release();
                self.timers.stop_all();
                self.transition(State::Initialize, Reason::Stopped);
            }
            State::Master => self.leave(now, Reason::Stopped),
            State::Leaving => {
                if again {
                    self.left(now);
                }
            }
        }
    }

    fn set_priority(&mut self, now: Instant, priority: Priority) -> Result<(), Rejected> {
        if priority.is_stop() || priority.is_owner() || self.priority.is_owner() {
            return Err(Rejected::Priority);
        }
        let changed = priority != self.priority;
        self.priority = priority;
        if changed {
            self.priority_changed(now);
        }
        Ok(())
    }

    fn advertisement(&mut self, now: Instant, advert: Advert) -> Result<(), Rejected> {
        let ours = self.config.interval;
        // RFC 3768 §7.1: a v2 receiver must verify the interval; RFC 9568 §7.1: a v3 one adopts it.
        let same = advert.interval.version() == ours.version()
            && (ours.version() == Version::V3 || advert.interval == ours);
        if matches!(self.state, State::Initialize | State::Fault) {
            return Err(Rejected::NotRunning);
        }
        if !same {
            self.stats.interval_mismatches += 1;
            return Err(Rejected::Interval {
                theirs: advert.interval,
                ours,
            });
        }
        if self.source == Some(advert.source) {
            self.stats.own_address_heard += 1;
            return Err(Rejected::OwnAddress);
        }
        self.stats.adverts_received += 1;
        self.stats.priority_zero_received += u64::from(advert.priority.is_stop());
        // Somebody else says something here: it is not as the one that died left it.
        if self.timers.is_set(Timer::Adopt) {
            self.timers.stop(Timer::Adopt);
        }
        match self.state {
            State::Initialize | State::Fault => {}
            State::Backup => self.backup_hears(now, advert),
            State::Preempting => self.preempting_hears(now, advert),
            State::Master => self.master_hears(now, advert),
            State::Leaving => self.leaving_hears(now, advert),
        }
        Ok(())
    }

    fn effect(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Held(id) if self.is_held_as(id) => self.held(now),
            Effect::HoldFailed(id) if self.is_held_as(id) => self.hold_failed(now),
            Effect::HoldLapsed(id) if self.is_held_as(id) => self.hold_lapsed(now),
            Effect::NotSent => self.not_sent(now),
            Effect::Held(_) | Effect::HoldFailed(_) | Effect::HoldLapsed(_) => {}
        }
    }

    fn timeout(&mut self, now: Instant) {
        // A sum and a comparison take less time than a difference.
        let interval = self.config.interval.duration();
        let is_late = |due: Deadline| now > due.at + interval;
        if self.timers.next().is_some_and(is_late) {
            self.stats.late_timeouts += 1;
        }
        while let Some(deadline) = self.timers.next().filter(|next| next.at <= now) {
            self.timers.stop(deadline.timer);
            match deadline.timer {
                Timer::MasterDown => self.master_down(now, deadline.at),
                Timer::PreemptDelay => self.preempt_delay_over(now),
                Timer::Linger => self.release(),
                Timer::Acquire => self.become_master(now, Reason::MasterLesser),
                Timer::Advertise => self.advertise_due(now, deadline.at),
                Timer::Announce => self.announce_due(now),
                Timer::Renew => self.renew(now),
                Timer::Leave => self.leave_over(now),
                Timer::Retry => self.retry(now),
                Timer::Adopt => {}
                Timer::StandBy => self.end_stand_by(),
            }
        }
    }

    fn faults_changed(&mut self, now: Instant) {
        let faults = self.faults;
        match self.state {
            State::Initialize => {}
            State::Fault => {
                if !faults.any() {
                    self.timers.stop_all();
                    self.begin(now, Reason::Recovered);
                }
            }
            State::Backup | State::Preempting => {
                if faults.any() {
                    self.release();
                    self.enter_fault(now);
                }
            }
            State::Master => {
                if faults.cut_off() {
                    self.release();
                    self.enter_fault(now);
                } else if faults.any() {
                    self.leave(now, Reason::Faulty(faults));
                }
            }
            State::Leaving => {
                if faults.cut_off() {
                    self.left(now);
                }
            }
        }
    }

    fn enter_fault(&mut self, now: Instant) {
        self.timers.stop_all();
        if self.faults.addresses || self.faults.sending {
            self.timers.set(Timer::Retry, now + self.retry);
            self.retry = (self.retry * 2).min(RETRY.1);
        }
        self.transition(State::Fault, Reason::Faulty(self.faults));
    }

    fn retry(&mut self, now: Instant) {
        self.faults.addresses = false;
        self.faults.sending = false;
        self.faults_changed(now);
    }

    fn transition(&mut self, to: State, reason: Reason) {
        let from = self.state;
        self.state = to;
        self.push(Action::Transition(Transition { from, to, reason }));
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}

//! One router on a clock of its own, and its actions as text.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::Instant;

use locum_vrrp_wire::{AdvertInterval, Priority};

use super::super::Election;
use crate::config::{Config, Preempt};
use crate::interface::{
    Action, Advert, Deadline, Effect, Input, Link, Rejected, State, Timer, Transition,
};

/// The router under test; others are below and above it.
pub(crate) const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 5));
pub(crate) const BELOW: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(crate) const ABOVE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

/// The only clock read in this crate's tests.
pub(crate) fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "the zero of simulated time")]
    *EPOCH.get_or_init(Instant::now)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn ns(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

pub(crate) fn v3(centis: u16) -> AdvertInterval {
    AdvertInterval::v3(centis).expect("a v3 interval")
}

pub(crate) fn v2(seconds: u8) -> AdvertInterval {
    AdvertInterval::v2(seconds).expect("a v2 interval")
}

/// VRRPv3, one advertisement a second.
pub(crate) fn config(priority: u8) -> Config {
    Config::new(v3(100), Priority::new(priority)).expect("a priority")
}

pub(crate) const fn delayed(delay: Duration) -> Preempt {
    Preempt::Allow { delay }
}

/// An advertisement of VRRPv3 with an interval of 1 s.
pub(crate) fn advert(source: IpAddr, priority: u8) -> Input {
    advert_every(source, priority, v3(100))
}

pub(crate) fn advert_every(source: IpAddr, priority: u8, interval: AdvertInterval) -> Input {
    Input::Advertisement(Advert {
        source,
        priority: Priority::new(priority),
        interval,
    })
}

/// A router whose time the test moves.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    pub(crate) election: Election,
    pub(crate) now: Instant,
}

impl Router {
    /// In state Initialize, with link and source address.
    pub(crate) fn ready(config: Config) -> Self {
        let mut router = Self {
            election: Election::new(config),
            now: epoch(),
        };
        router.does(Input::Link(Link::Up));
        router.does(Input::Source(Some(OURS)));
        router
    }

    /// Just started.
    pub(crate) fn started(config: Config) -> Self {
        let mut router = Self::ready(config);
        router.does(Input::Startup);
        router
    }

    /// Master for no time yet, its addresses held.
    pub(crate) fn master(config: Config) -> Self {
        let mut router = Self::started(config);
        router.until(Timer::MasterDown);
        router.timeout();
        assert_eq!(router.state(), State::Master);
        router.held();
        router
    }

    pub(crate) fn state(&self) -> State {
        self.election.state()
    }

    /// The actions on this input, which is not refused.
    pub(crate) fn does(&mut self, input: Input) -> Vec<Action> {
        self.tries(input).expect("accepted")
    }

    pub(crate) fn tries(&mut self, input: Input) -> Result<Vec<Action>, Rejected> {
        self.election.handle(self.now, input)?;
        Ok(core::iter::from_fn(|| self.election.poll_action()).collect())
    }

    /// The actions as text.
    pub(crate) fn says(&mut self, input: Input) -> String {
        let actions = self.does(input);
        self.text(&actions)
    }

    pub(crate) fn timeout(&mut self) -> String {
        self.says(Input::Timeout)
    }

    pub(crate) fn held(&mut self) -> String {
        let (id, _) = self.election.holds().expect("asked for its addresses");
        self.says(Input::Effect(Effect::Held(id)))
    }

    pub(crate) fn hold_failed(&mut self) -> String {
        let (id, _) = self.election.holds().expect("asked for its addresses");
        self.says(Input::Effect(Effect::HoldFailed(id)))
    }

    pub(crate) fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.election.poll_timeout().expect("a deadline")
    }

    /// How long until a timer fires.
    pub(crate) fn due_in(&self, timer: Timer) -> Option<Duration> {
        self.election
            .timers
            .get(timer)
            .map(|at| at.duration_since(self.now))
    }

    /// Serves every deadline in time until only `timer` is due next, and moves to that moment.
    pub(crate) fn until(&mut self, timer: Timer) {
        for _ in 0..100 {
            let next = self.deadline();
            let mut others = self.election.timers.clone();
            others.stop(next.timer);
            let alone = others.next().is_none_or(|other| other.at > next.at);
            self.now = self.now.max(next.at);
            if next.timer == timer && alone {
                return;
            }
            self.serve();
        }
        panic!("{timer:?} is never next: {self:?}");
    }

    /// Serves every deadline of the next `time` when it is due; what happened, and when.
    pub(crate) fn run(&mut self, time: Duration) -> Vec<(Duration, Action)> {
        let (start, end) = (self.now, self.now + time);
        let mut log = Vec::new();
        while let Some(next) = self.election.poll_timeout().filter(|next| next.at <= end) {
            self.now = self.now.max(next.at);
            let actions = self.serve();
            log.extend(actions.into_iter().map(|action| (self.now - start, action)));
        }
        self.now = end;
        log
    }

    /// Serves the deadline; a renewal of the lease succeeds.
    pub(crate) fn serve(&mut self) -> Vec<Action> {
        let actions = self.does(Input::Timeout);
        for action in &actions {
            if let Action::Hold { id, .. } = action
                && self.state() == State::Master
            {
                self.does(Input::Effect(Effect::Held(*id)));
            }
        }
        actions
    }

    /// When in the next `time` it announces, in milliseconds.
    pub(crate) fn announces(&mut self, time: Duration) -> Vec<u128> {
        let log = self.run(time);
        log.iter()
            .filter(|(_, action)| *action == Action::Announce)
            .map(|(at, _)| at.as_millis())
            .collect()
    }

    /// When in the next `time` it advertises with its priority, in milliseconds.
    pub(crate) fn advertises(&mut self, time: Duration) -> Vec<u128> {
        let log = self.run(time);
        log.iter()
            .filter(|(_, action)| matches!(action, Action::Advertise(_)))
            .map(|(at, _)| at.as_millis())
            .collect()
    }

    fn text(&self, actions: &[Action]) -> String {
        let text = |action: &Action| match *action {
            Action::Advertise(priority) => format!("Advertise {priority}"),
            Action::Hold {
                id,
                until: Some(until),
            } => format!("Hold {} +{:?}", id.0, until - self.now),
            Action::Hold { id, until: None } => format!("Hold {}", id.0),
            Action::Release => "Release".to_owned(),
            Action::Announce => "Announce".to_owned(),
            Action::Transition(Transition { from, to, reason }) => {
                let reason = format!("{reason:?}");
                let word = reason.split([' ', '(']).next().unwrap_or_default();
                format!("{from:?}→{to:?} {word}")
            }
        };
        actions.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

//! A group of members on one clock, and its actions as text.

use core::time::Duration;
use std::net::IpAddr;
use std::time::Instant;

use locum_vrrp_wire::Priority;

use super::super::SyncGroup;
use crate::config::Config;
use crate::election::tests::support::{OURS, epoch};
use crate::interface::{Action, Effect, Input, Link, State, Timer, Transition};

/// A group whose time the test moves.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) group: SyncGroup,
    pub(super) now: Instant,
}

impl Group {
    /// In state Initialize, with links and source addresses.
    pub(super) fn ready(configs: &[Config]) -> Self {
        let mut this = Self {
            group: SyncGroup::new(configs.iter().copied()).expect("a group"),
            now: epoch(),
        };
        for member in 0..configs.len() {
            this.says(member, Input::Link(Link::Up));
            this.says(member, Input::Source(Some(OURS)));
        }
        this
    }

    pub(super) fn started(configs: &[Config]) -> Self {
        let mut this = Self::ready(configs);
        this.group.startup(this.now);
        this.actions();
        this
    }

    /// Master for no time yet, its addresses held.
    pub(super) fn master(configs: &[Config]) -> Self {
        let mut this = Self::started(configs);
        this.until(State::Master);
        this.hold();
        this
    }

    pub(super) fn state(&self) -> State {
        self.group.state()
    }

    pub(super) fn states(&self) -> Vec<State> {
        self.group
            .members()
            .iter()
            .map(|member| member.state())
            .collect()
    }

    /// The actions on this input, which is not refused.
    pub(super) fn says(&mut self, member: usize, input: Input) -> String {
        self.group
            .handle(self.now, member, input)
            .expect("accepted");
        self.actions()
    }

    pub(super) fn shutdown(&mut self) -> String {
        self.group.shutdown(self.now);
        self.actions()
    }

    pub(super) fn timeout(&mut self) -> String {
        self.group.handle_timeout(self.now);
        self.actions()
    }

    pub(super) fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// When a member's timer is due, from now.
    pub(super) fn due_in(&self, member: usize, timer: Timer) -> Option<Duration> {
        let deadline = self.group.members()[member].due(timer)?;
        Some(deadline.duration_since(self.now))
    }

    /// Reports every hold that was asked for.
    pub(super) fn hold(&mut self) {
        for member in 0..self.group.members().len() {
            if let Some((id, _)) = self.group.members()[member].holds() {
                self.says(member, Input::Effect(Effect::Held(id)));
            }
        }
    }

    /// Serves every deadline of the next `time` when it is due; what happened, and when. Holds succeed at once.
    pub(super) fn run(&mut self, time: Duration) -> Vec<(Duration, String)> {
        let (start, end) = (self.now, self.now + time);
        let mut log = Vec::new();
        while let Some(next) = self.group.poll_timeout().filter(|next| next.at <= end) {
            self.now = self.now.max(next.at);
            log.push((self.now - start, self.timeout()));
            self.hold();
        }
        self.now = end;
        log
    }

    /// Serves every deadline until the group is in `state`.
    pub(super) fn until(&mut self, state: State) -> Duration {
        let start = self.now;
        for _ in 0..1000 {
            if self.state() == state {
                return self.now - start;
            }
            let next = self.group.poll_timeout().expect("a deadline");
            self.now = self.now.max(next.at);
            self.timeout();
        }
        panic!("{state:?} is never reached: {self:?}");
    }

    /// Everything to be done, with the member's place before each.
    fn actions(&mut self) -> String {
        let actions = core::iter::from_fn(|| self.group.poll_action());
        let texts: Vec<String> = actions
            .filter_map(|(member, action)| Some(format!("{member}: {}", text(action)?)))
            .collect();
        texts.join(", ")
    }
}

/// What others can tell of an action; announcements and renewals are left to the tests of a single router.
fn text(action: Action) -> Option<String> {
    match action {
        Action::Advertise(priority) if priority == Priority::STOP => Some("Goodbye".to_owned()),
        Action::Advertise(_) => Some("Advertise".to_owned()),
        Action::Hold { .. } | Action::Announce => None,
        Action::Release => Some("Release".to_owned()),
        Action::Transition(Transition { from, to, reason }) => {
            let reason = format!("{reason:?}");
            let word = reason.split([' ', '(']).next().unwrap_or_default();
            Some(format!("{from:?}→{to:?} {word}"))
        }
    }
}

/// A neighbour of a higher or lower address than ours.
pub(super) fn other(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

//! A sync group: virtual routers on several links of which this machine is Master of all or of none.
//!
//! Each member is an [`Election`], which obeys the standard on its own link. The group has the last word on four
//! things, and looks at them after every input:
//!
//! - **Up together.** A member whose wait is over is *ready* and goes on watching; once every member is ready, all of
//!   them become Master. So whatever delays one (a better Master, a preempt or startup delay, a fault) delays all.
//! - **Down together.** Once a member is not Master, no other one stays it: each says that it stops, and answers until
//!   its successor does.
//! - **Gone together.** A member that has been succeeded goes on answering until all that are leaving have been, or
//!   have waited for as long as the slowest would alone; after a fault that nobody could be told of, for as long as it
//!   takes to miss the Master. If nobody took over from any of them, and all could be Master by now, all stay.
//! - **One goodbye for all.** A goodbye from the Master of one link shortens the wait on the others to an interval and
//!   the skew time: their Master is the same machine, and may have been cut off there.
//!
//! Where two machines outrank each other on different links, the first member has the casting vote: see
//! [`SyncGroup::new`].

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use thiserror::Error;

use crate::config::Config;
use crate::election::{ACQUIRE, Election, Place};
use crate::interface::{Action, Deadline, Input, Reason, Rejected, State};

/// Several elections that are Master together or not at all.
///
/// The contract is that of an [`Election`], with the place of a member beside each input and action:
///
/// ```
/// use std::time::Instant;
///
/// use locum_vrrp_election::{Config, Input, Link, State, SyncGroup};
/// use locum_vrrp_wire::{AdvertInterval, Priority};
///
/// let member = Config::new(AdvertInterval::v3(100)?, Priority::new(150))?;
/// let mut group = SyncGroup::new([member, member])?;
/// # #[expect(clippy::disallowed_methods, reason = "an example")]
/// let mut now = Instant::now();
///
/// group.handle(now, 0, Input::Link(Link::Up))?;
/// group.handle(now, 0, Input::Source(Some("192.0.2.2".parse()?)))?;
/// group.startup(now);
/// // The other link comes up two seconds later.
/// now += std::time::Duration::from_secs(2);
/// group.handle(now, 1, Input::Link(Link::Up))?;
/// group.handle(now, 1, Input::Source(Some("198.51.100.2".parse()?)))?;
///
/// while group.state() != State::Master {
///     while let Some((member, action)) = group.poll_action() {
///         println!("{member}: {action:?}");
///     }
///     now = group.poll_timeout().expect("a backup watches its master").at;
///     assert!(group.members().iter().all(|member| member.state() != State::Master));
///     group.handle_timeout(now);
/// }
/// assert!(group.members().iter().all(|member| member.state() == State::Master));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SyncGroup {
    members: Vec<Election>,
    /// How long the slowest member waits for a successor, and how long if a goodbye could not be sent.
    leave: Duration,
    silence: Duration,
    actions: VecDeque<(usize, Action)>,
    latest: Option<Instant>,
}

/// What cannot be a sync group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SyncGroupError {
    /// The address owner is Master whenever it runs, whatever the others are.
    #[error("the address owner (priority 255) cannot wait for the other members of a sync group")]
    Owner {
        /// Which member is one.
        member: usize,
    },
    /// There is nothing to keep together.
    #[error("a sync group has at least two members")]
    TooFew,
}

impl SyncGroup {
    /// How long at most one member may be [`Master`](State::Master) while another is not yet: it is
    /// [`Preempting`](State::Preempting) then. On the way down there is no such time.
    pub const HALF: Duration = ACQUIRE;

    /// A group of members in state [`State::Initialize`].
    ///
    /// Their order should be the same on all machines. It matters only where two machines become Master at once and
    /// each outranks the other on one link, as with equal priorities: whoever is outranked on the first member's link
    /// steps back, while the later members of the other one stand for half an interval, which keeps both from
    /// stepping back.
    ///
    /// # Errors
    ///
    /// [`SyncGroupError`].
    pub fn new(members: impl IntoIterator<Item = Config>) -> Result<Self, SyncGroupError> {
        let members: Vec<Election> = members.into_iter().map(Election::new).collect();
        if members.len() < 2 {
            return Err(SyncGroupError::TooFew);
        }
        if let Some(member) = members
            .iter()
            .position(|member| member.priority().is_owner())
        {
            return Err(SyncGroupError::Owner { member });
        }
        let mut group = Self {
            members,
            leave: Duration::ZERO,
            silence: Duration::ZERO,
            actions: VecDeque::new(),
            latest: None,
        };
        group.agree();
        Ok(group)
    }

    /// How long all of them wait for a successor.
    fn agree(&mut self) {
        let (mut leave, mut silence) = (Duration::ZERO, Duration::ZERO);
        for (own_leave, own_silence) in self.members.iter().map(Election::waits) {
            leave = leave.max(own_leave);
            silence = silence.max(own_silence);
        }
        let mut place = Place::First;
        for member in &mut self.members {
            member.join(place, leave);
            place = Place::Later;
        }
        self.leave = leave;
        self.silence = silence.max(leave);
    }

    /// Takes in one thing that happened at `now` to one member. Startup and shutdown of a single member are possible:
    /// without it the others are not Master. Whichever is told to stand by, all do.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the input means nothing to that member; nothing changed but a counter.
    pub fn handle(&mut self, now: Instant, member: usize, input: Input) -> Result<(), Rejected> {
        let now = self.come_to(now);
        if member >= self.members.len() {
            return Err(Rejected::NoSuchMember);
        }
        let mut result = Ok(());
        for place in 0..self.members.len() {
            if place != member && matches!(input, Input::StandBy { .. }) {
                // What matters is what the one says that was told.
                let _ = self.feed(now, place, input);
            } else if place == member {
                result = self.feed(now, place, input);
            }
        }
        if matches!(input, Input::Reconfigure(_)) {
            self.agree();
        }
        self.settle(now);
        result
    }

    /// Lets all members take part in the election.
    pub fn startup(&mut self, now: Instant) {
        self.handle_all(now, Input::Startup);
    }

    /// Lets all members take part in the election in the place of a process that died as Master of each of them, its
    /// last advertisements being as old as `ages` says, in the members' order: all of them are Master at once or none
    /// is. A member whose age is missing is only started.
    pub fn adopt(&mut self, now: Instant, ages: impl IntoIterator<Item = Duration>) {
        let now = self.come_to(now);
        let mut ages = ages.into_iter();
        for place in 0..self.members.len() {
            let input = ages
                .next()
                .map_or(Input::Startup, |age| Input::Adopt { age });
            // A start is never refused.
            let _ = self.feed(now, place, input);
        }
        self.settle(now);
    }

    /// Stops all members; Masters hand over first, together. Given a second time it stops them at once.
    pub fn shutdown(&mut self, now: Instant) {
        self.handle_all(now, Input::Shutdown);
    }

    /// The deadline passed, whosever it is.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_all(now, Input::Timeout);
    }

    /// The next thing to do, and for which member. Drain it to `None` after each input.
    #[must_use = "an action that is not carried out leaves the network in another state than the group believes"]
    pub fn poll_action(&mut self) -> Option<(usize, Action)> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Any input may change it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let deadlines = self.members.iter().filter_map(Election::poll_timeout);
        deadlines.min_by_key(|deadline| deadline.at)
    }

    /// The members, to be looked at.
    #[must_use]
    pub fn members(&self) -> &[Election] {
        &self.members
    }

    /// Where the group is in its life: [`State::Master`] if every member is. While one still answers for its
    /// successor, [`State::Leaving`]; else [`State::Fault`] if something is missing to any of them.
    #[must_use]
    pub fn state(&self) -> State {
        let any = |state| self.members.iter().any(|member| member.state() == state);
        let all = |state| self.members.iter().all(|member| member.state() == state);
        if all(State::Master) {
            State::Master
        } else if any(State::Leaving) {
            State::Leaving
        } else if any(State::Fault) {
            State::Fault
        } else if any(State::Initialize) {
            State::Initialize
        } else if any(State::Preempting) {
            State::Preempting
        } else {
            State::Backup
        }
    }

    /// The members that keep the group from being Master; none while it is, or is about to be.
    pub fn held_back_by(&self) -> impl Iterator<Item = usize> + '_ {
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| !member.is_up() && !member.is_ready())
            .map(|(place, _)| place)
    }

    fn come_to(&mut self, now: Instant) -> Instant {
        let now = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(now);
        now
    }

    fn handle_all(&mut self, now: Instant, input: Input) {
        let now = self.come_to(now);
        for member in 0..self.members.len() {
            // A start, a stop and a timeout are never refused.
            let _ = self.feed(now, member, input);
        }
        self.settle(now);
    }

    fn feed(&mut self, now: Instant, place: usize, input: Input) -> Result<(), Rejected> {
        let Some(member) = self.members.get_mut(place) else {
            return Err(Rejected::NoSuchMember);
        };
        let knew = member.master_has_stopped();
        let result = member.handle(now, input);
        let hastens = !knew && member.master_has_stopped();
        self.collect(place);
        if hastens {
            self.each(|other, member| {
                if other != place {
                    member.hasten(now);
                }
            });
        }
        result
    }

    /// All or none.
    fn settle(&mut self, now: Instant) {
        self.each(|_, member| member.come_to(now));
        let down = self.members.iter().position(|member| !member.is_up());
        if let Some(down) = down
            && self.members.iter().any(Election::is_up)
        {
            let cut_off = |member: &Election| member.faults().cut_off();
            let wait = if self.members.iter().any(cut_off) {
                self.silence
            } else {
                self.leave
            };
            let reason = Reason::GroupMember { member: down };
            self.each(|_, member| member.pull(now, wait, reason));
        }
        let mut leaving = self.members.iter().filter(|member| member.is_leaving());
        if self.members.iter().all(|member| member.may_stay(now)) {
            self.each(|_, member| member.keep(now));
        } else if leaving.all(Election::may_be_let_go) {
            self.each(|_, member| member.let_go(now));
        }
        if self.members.iter().all(|member| member.may_adopt(now)) {
            self.each(|_, member| member.take_its_place(now));
        }
        if self.members.iter().all(Election::is_ready) {
            self.each(|_, member| member.raise(now));
        }
        self.check_invariants();
    }

    fn each(&mut self, mut act: impl FnMut(usize, &mut Election)) {
        for place in 0..self.members.len() {
            if let Some(member) = self.members.get_mut(place) {
                act(place, member);
            }
            self.collect(place);
        }
    }

    fn collect(&mut self, place: usize) {
        if let Some(member) = self.members.get_mut(place) {
            while let Some(action) = member.poll_action() {
                self.actions.push_back((place, action));
            }
        }
    }

    /// Costs nothing in a release build.
    fn check_invariants(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let all = |is: fn(&Election) -> bool| self.members.iter().all(is);
        let any = |is: fn(&Election) -> bool| self.members.iter().any(is);
        debug_assert!(
            all(Election::is_up) || !any(Election::is_up),
            "half: {:?}",
            self.members.iter().map(Election::state).collect::<Vec<_>>()
        );
        debug_assert!(!all(Election::is_ready), "nobody was raised: {self:?}");
        let waits = |member: &Election| member.is_leaving() && !member.may_be_let_go();
        debug_assert!(
            !any(Election::is_leaving) || any(waits),
            "nobody was let go: {self:?}"
        );
    }
}

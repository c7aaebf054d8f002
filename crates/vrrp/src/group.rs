//! Sync groups in the engine: who sits in which, and what a group tells of itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use locum_vrrp_election::{Action, Election, State, SyncGroup};
use tokio::sync::watch;

use crate::command::{GroupId, RouterId};
use crate::status::GroupStatus;

pub(crate) type Groups = BTreeMap<GroupId, Group>;

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) elections: SyncGroup,
    /// In the order of their elections.
    pub(crate) members: Vec<RouterId>,
    pub(crate) status: watch::Sender<GroupStatus>,
}

impl Group {
    pub(crate) fn new(
        now: Instant,
        name: Arc<str>,
        members: Arc<[Arc<str>]>,
        elections: SyncGroup,
    ) -> Self {
        let status = GroupStatus {
            name,
            state: elections.state(),
            since: now,
            held_back_by: Arc::clone(&members),
            members,
        };
        Self {
            elections,
            members: Vec::new(),
            status: watch::Sender::new(status),
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<(RouterId, Action)> {
        // Members are seated before they can do anything.
        let (place, action) = self.elections.poll_action()?;
        Some((*self.members.get(place)?, action))
    }

    /// Publishes what changed; the states before and now, if they differ.
    pub(crate) fn publish(&self, now: Instant) -> Option<(State, State)> {
        let state = self.elections.state();
        let mut transition = None;
        self.status.send_if_modified(|status| {
            let members = Arc::clone(&status.members);
            let held_back = || {
                let places = self.elections.held_back_by();
                places.filter_map(|place| members.get(place))
            };
            if status.state != state {
                transition = Some((status.state, state));
                status.state = state;
                status.since = now;
            }
            let changed = !status.held_back_by.iter().eq(held_back());
            if changed {
                status.held_back_by = held_back().cloned().collect();
            }
            changed || transition.is_some()
        });
        transition
    }
}

/// Where a router's election is.
#[derive(Debug)]
pub(crate) enum Seat {
    Alone(Box<Election>),
    Member { group: GroupId, place: usize },
}

impl Seat {
    pub(crate) fn election<'a>(&'a self, groups: &'a Groups) -> Option<&'a Election> {
        match self {
            Self::Alone(election) => Some(election),
            Self::Member { group, place } => groups.get(group)?.elections.members().get(*place),
        }
    }

    pub(crate) const fn group(&self) -> Option<GroupId> {
        match self {
            Self::Alone(_) => None,
            Self::Member { group, .. } => Some(*group),
        }
    }
}

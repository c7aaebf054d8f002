//! Sync groups come, act together, and go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_vrrp_election::SyncGroup;

use super::Engine;
use crate::command::{AddedGroup, GroupId, RouterId};
use crate::config::RouterConfig;
use crate::error::AddError;
use crate::group::{Group, Seat};
use crate::start::Start;
use crate::status::EventKind;
use crate::transport::Transport;

impl<T: Transport> Engine<T> {
    pub(super) fn add_group(
        &mut self,
        now: Instant,
        name: Arc<str>,
        members: Vec<(Arc<str>, RouterConfig, Start)>,
    ) -> Result<AddedGroup, AddError> {
        if self.shutdown.is_some() {
            return Err(AddError::Stopped);
        }
        if self
            .groups
            .values()
            .any(|group| group.status.borrow().name == name)
        {
            return Err(AddError::DuplicateGroup(name));
        }
        self.may_add_all(&members)?;
        let configs = members.iter().map(|(_, config, _)| *config.election());
        let elections = SyncGroup::new(configs).map_err(AddError::SyncGroup)?;
        let names = members.iter().map(|(name, ..)| Arc::clone(name)).collect();
        let group = Group::new(now, name, names, elections);
        let status = group.status.subscribe();
        self.last_id += 1;
        let id = GroupId(self.last_id);
        self.groups.insert(id, group);
        // All of them adopt or none.
        let ages = members.iter().map(|(_, _, start)| match start {
            Start::Fresh => None,
            Start::Adopt { advertised } => Some(now.saturating_duration_since(*advertised)),
        });
        let ages: Option<Vec<Duration>> = ages.collect();
        let members = members.into_iter().enumerate();
        let added: Vec<_> = members
            .map(|(place, (name, config, start))| {
                let seat = Seat::Member { group: id, place };
                self.insert(now, name, config, seat, start)
            })
            .collect();
        match ages {
            Some(ages) => self.with_group(now, id, |group, now| group.adopt(now, ages)),
            None => self.with_group(now, id, SyncGroup::startup),
        }
        Ok((added, status))
    }

    /// Beside what is there, and beside each other.
    fn may_add_all(&self, members: &[(Arc<str>, RouterConfig, Start)]) -> Result<(), AddError> {
        for (number, (name, config, _)) in members.iter().enumerate() {
            self.may_add(name, config)?;
            for (other, others, _) in members.iter().take(number) {
                if other == name {
                    return Err(AddError::DuplicateName(Arc::clone(name)));
                }
                let place = |config: &RouterConfig| (config.vrid(), config.family());
                if place(config) == place(others) && config.interface() == others.interface() {
                    return Err(AddError::DuplicateVrid {
                        vrid: config.vrid(),
                        interface: config.interface().into(),
                        family: config.family(),
                        router: Arc::clone(other),
                    });
                }
            }
        }
        Ok(())
    }

    /// Stops all members, of which `id` was told to and is marked already.
    pub(super) fn stop_group(&mut self, now: Instant, group: GroupId, id: RouterId) {
        for member in self.members(group) {
            let Some(router) = self.routers.get_mut(&member) else {
                continue;
            };
            if router.stop.is_none() || member == id {
                router.stop.get_or_insert_default();
                self.is_stopping(now, member);
            }
        }
        self.with_group(now, group, SyncGroup::shutdown);
    }

    /// One of its members has been removed.
    pub(super) fn leave_group(&mut self, group: GroupId) {
        let members = self.members(group);
        if members
            .iter()
            .all(|member| !self.routers.contains_key(member))
        {
            self.groups.remove(&group);
        }
    }

    fn with_group(
        &mut self,
        now: Instant,
        group: GroupId,
        act: impl FnOnce(&mut SyncGroup, Instant),
    ) {
        if let Some(group) = self.groups.get_mut(&group) {
            act(&mut group.elections, now);
        }
        self.carry_out_group(now, group);
        self.feed_failures(now);
        if let Some(first) = self.members(group).first() {
            self.group_fed(now, group, *first);
        }
    }

    pub(super) fn carry_out_group(&mut self, now: Instant, group: GroupId) {
        while let Some((member, action)) = self.groups.get_mut(&group).and_then(Group::poll_action)
        {
            self.carry_out(now, member, action);
        }
    }

    /// Any member may have changed, after `cause` was told something.
    pub(super) fn group_fed(&mut self, now: Instant, group: GroupId, cause: RouterId) {
        for member in self.members(group) {
            self.refresh(now, member);
        }
        let Some(group) = self.groups.get(&group) else {
            return;
        };
        if let Some((from, to)) = group.publish(now) {
            let group = Arc::clone(&group.status.borrow().name);
            self.say(now, cause, EventKind::GroupTransition { group, from, to });
        }
    }

    fn members(&self, group: GroupId) -> Vec<RouterId> {
        let group = self.groups.get(&group);
        group.map(|group| group.members.clone()).unwrap_or_default()
    }
}

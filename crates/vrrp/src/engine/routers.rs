//! Routers come and go.

use std::sync::Arc;
use std::time::Instant;

use locum_vip::Foreign;
use locum_vrrp_election::{Election, Input, State};
use tokio::sync::oneshot;

use super::{Due, Engine, STOP_BOUND};
use crate::addresses::AddressTask;
use crate::command::{Added, RouterId};
use crate::config::{Family, RouterConfig};
use crate::error::{AddError, ChangeError};
use crate::group::Seat;
use crate::instance::Instance;
use crate::lane::Lane;
use crate::record::Record;
use crate::start::Start;
use crate::transport::{LaneId, Transport};

impl<T: Transport> Engine<T> {
    pub(super) fn add(
        &mut self,
        now: Instant,
        name: Arc<str>,
        config: RouterConfig,
        start: Start,
    ) -> Result<Added, AddError> {
        self.may_add(&name, &config)?;
        let election = Election::new(*config.election());
        let added = self.insert(now, name, config, Seat::Alone(Box::new(election)), start);
        let input = match start {
            Start::Fresh => Input::Startup,
            Start::Adopt { advertised } => Input::Adopt {
                age: now.saturating_duration_since(advertised),
            },
        };
        // A start is never refused.
        let _ = self.feed(now, added.0, input);
        Ok(added)
    }

    pub(super) fn may_add(&self, name: &Arc<str>, config: &RouterConfig) -> Result<(), AddError> {
        if self.shutdown.is_some() {
            return Err(AddError::Stopped);
        }
        if self.routers.values().any(|router| router.name == *name) {
            return Err(AddError::DuplicateName(Arc::clone(name)));
        }
        let (vrid, family) = (config.vrid(), config.family());
        let lane = self.known_lane(config.interface(), family);
        let taken = lane.and_then(|id| self.lanes.get(&id)?.router(vrid.get()));
        match taken.and_then(|other| self.routers.get(&other)) {
            Some(other) => Err(AddError::DuplicateVrid {
                vrid,
                interface: config.interface().into(),
                family,
                router: Arc::clone(&other.name),
            }),
            None => Ok(()),
        }
    }

    /// Takes in what may be added. It is not started yet.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        name: Arc<str>,
        config: RouterConfig,
        seat: Seat,
        start: Start,
    ) -> Added {
        let lane_id = self.lane(config.interface(), config.family());
        self.last_id += 1;
        let id = RouterId(self.last_id);
        let interface: Arc<str> = config.interface().into();
        if let Some(lane) = self.lanes.get_mut(&lane_id) {
            lane.set_router(config.vrid(), Some(id));
            lane.wants_header |= config.has_header();
        }
        if let Some(group) = seat.group().and_then(|group| self.groups.get_mut(&group)) {
            group.members.push(id);
        }

        let is_owner = config.election().priority().is_owner();
        let foreign = if is_owner {
            Foreign::Use
        } else {
            Foreign::Refuse
        };
        // What its group has a member do is no input, and would not be found in a transcript.
        let is_recorded = self.recorder.is_some() && seat.group().is_none();
        let mut instance = Instance::new(name, Arc::clone(&interface), config, lane_id, seat, now);
        instance.recorded = is_recorded;
        if matches!(start, Start::Adopt { .. }) {
            instance.keep_leftovers();
        }
        if is_recorded {
            self.record(Record::Router {
                name: Arc::clone(&instance.name),
                parameters: instance.config.election().into(),
            });
        }
        let task = AddressTask::new(
            Arc::clone(&self.driver),
            id,
            foreign,
            instance.wanted.subscribe(),
            self.reports.0.clone(),
        );
        self.address_runtime.spawn(task.run());
        let status = instance.status.subscribe();
        let interval = super::flow::interval(&instance);
        self.shortest = Some(self.shortest.map_or(interval, |other| other.min(interval)));
        self.routers.insert(id, Box::new(instance));
        // The others on this interface hear of it too: what is virtual now is nobody's source.
        self.follow_link(now, &interface);
        self.listen(lane_id);
        (id, status)
    }

    fn known_lane(&self, interface: &str, family: Family) -> Option<LaneId> {
        let known = self
            .lanes
            .iter()
            .find(|(_, lane)| *lane.interface == *interface && lane.family == family);
        known.map(|(id, _)| *id)
    }

    fn lane(&mut self, interface: &str, family: Family) -> LaneId {
        if let Some(id) = self.known_lane(interface, family) {
            return id;
        }
        self.last_lane += 1;
        let id = LaneId(self.last_lane);
        self.lanes.insert(id, Lane::new(interface.into(), family));
        id
    }

    pub(super) fn change(
        &mut self,
        now: Instant,
        id: RouterId,
        input: Input,
    ) -> Result<(), ChangeError> {
        if !self.routers.contains_key(&id) {
            return Err(ChangeError::Stopped);
        }
        self.feed(now, id, input).map_err(ChangeError::Rejected)
    }

    pub(super) fn stop(&mut self, now: Instant, id: RouterId, reply: Option<oneshot::Sender<()>>) {
        // Dropping the reply of a router that is gone says so.
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        let first = router.stop.is_none();
        router.stop.get_or_insert_default().extend(reply);
        if !first {
            return;
        }
        if let Some(group) = router.seat.group() {
            self.stop_group(now, group, id);
        } else {
            self.is_stopping(now, id);
            // A shutdown is never refused.
            let _ = self.feed(now, id, Input::Shutdown);
        }
    }

    pub(super) fn is_stopping(&mut self, now: Instant, id: RouterId) {
        self.stopping += 1;
        self.deadlines
            .insert((now + STOP_BOUND, Due::StopBound(id)));
    }

    pub(super) fn shut_down(&mut self, now: Instant) {
        self.shutdown.get_or_insert_default();
        let all: Vec<RouterId> = self.routers.keys().copied().collect();
        for id in all {
            self.stop(now, id, None);
        }
    }

    /// The time to stop is up.
    pub(super) fn stop_now(&mut self, now: Instant, id: RouterId) {
        // A shutdown is never refused; the second one does not wait for a successor.
        let _ = self.feed(now, id, Input::Shutdown);
        self.remove(now, id);
    }

    pub(super) fn remove_stopped(&mut self, now: Instant) {
        let done = |router: &Instance| {
            router.stop.is_some()
                && router
                    .seat
                    .election(&self.groups)
                    .is_none_or(|election| election.state() == State::Initialize)
                && !(router.holding && self.links.contains_key(&router.status.borrow().interface))
        };
        let done: Vec<RouterId> = self
            .routers
            .iter()
            .filter(|(_, router)| done(router))
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            self.remove(now, id);
        }
    }

    fn remove(&mut self, now: Instant, id: RouterId) {
        // Whoever keeps a handle can still see what it did last.
        self.publish(now, id);
        let Some(router) = self.routers.remove(&id) else {
            return;
        };
        self.keep_pace();
        if let Some(queued) = router.queued {
            self.deadlines.remove(&(queued, Due::Election(id)));
        }
        self.deadlines.retain(|(_, due)| *due != Due::StopBound(id));
        self.stopping = self.stopping.saturating_sub(1);
        if let Some(group) = router.seat.group() {
            self.leave_group(group);
        }
        if let Some(lane) = self.lanes.get_mut(&router.lane) {
            lane.set_router(router.config.vrid(), None);
            let interface = Arc::clone(&lane.interface);
            if lane.is_empty() {
                self.transport.close(router.lane);
                self.lanes.remove(&router.lane);
            }
            self.listen(router.lane);
            self.follow_link(now, &interface);
        }
        for waiting in router.stop.into_iter().flatten() {
            // Whoever gave up waiting need not be told.
            let _ = waiting.send(());
        }
    }
}

//! Routers come and go.

use std::sync::Arc;
use std::time::Instant;

use locum_vip::Foreign;
use locum_vrrp_election::{Input, State};
use tokio::sync::oneshot;

use super::{Due, Engine, STOP_BOUND};
use crate::addresses::AddressTask;
use crate::command::{Added, RouterId};
use crate::config::{Family, RouterConfig};
use crate::error::{AddError, ChangeError};
use crate::instance::Instance;
use crate::lane::Lane;
use crate::record::Record;
use crate::transport::{LaneId, Transport};

impl<T: Transport> Engine<T> {
    pub(super) fn add(
        &mut self,
        now: Instant,
        name: Arc<str>,
        config: RouterConfig,
    ) -> Result<Added, AddError> {
        if self.shutdown.is_some() {
            return Err(AddError::Stopped);
        }
        if self.routers.values().any(|router| router.name == name) {
            return Err(AddError::DuplicateName(name));
        }
        let lane_id = self.lane(config.interface(), config.family());
        let vrid = config.vrid();
        let Some(lane) = self.lanes.get_mut(&lane_id) else {
            return Err(AddError::Stopped);
        };
        let interface = Arc::clone(&lane.interface);
        if let Some(other) = lane
            .router(vrid.get())
            .and_then(|other| self.routers.get(&other))
        {
            let router = Arc::clone(&other.name);
            let family = config.family();
            return Err(AddError::DuplicateVrid {
                vrid,
                interface,
                family,
                router,
            });
        }
        self.last_id += 1;
        let id = RouterId(self.last_id);
        lane.set_router(vrid, Some(id));

        let is_owner = config.election().priority().is_owner();
        let foreign = if is_owner {
            Foreign::Use
        } else {
            Foreign::Refuse
        };
        let addresses = config.addresses().into();
        let mut instance = Instance::new(name, Arc::clone(&interface), config, lane_id, now);
        instance.recorded = self.recorder.is_some();
        self.record(Record::Router {
            name: Arc::clone(&instance.name),
            parameters: instance.config.election().into(),
        });
        let task = AddressTask::new(
            Arc::clone(&self.driver),
            id,
            addresses,
            foreign,
            instance.wanted.subscribe(),
            self.reports.0.clone(),
        );
        self.address_runtime.spawn(task.run());
        let status = instance.status.subscribe();
        self.routers.insert(id, instance);
        // The others on this interface hear of it too: what is virtual now is nobody's source.
        self.follow_link(now, &interface);
        // A start is never refused.
        let _ = self.feed(now, id, Input::Startup);
        Ok((id, status))
    }

    fn lane(&mut self, interface: &str, family: Family) -> LaneId {
        let known = self
            .lanes
            .iter()
            .find(|(_, lane)| *lane.interface == *interface && lane.family == family);
        if let Some((id, _)) = known {
            return *id;
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
        if first {
            self.stopping += 1;
            self.deadlines
                .insert((now + STOP_BOUND, Due::StopBound(id)));
            // A shutdown is never refused.
            let _ = self.feed(now, id, Input::Shutdown);
        }
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
        if self.stopping == 0 {
            return;
        }
        let done = |router: &Instance| {
            router.stop.is_some()
                && router.election.state() == State::Initialize
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
        let Some(router) = self.routers.remove(&id) else {
            return;
        };
        if let Some(deadline) = router.deadline {
            self.deadlines.remove(&(deadline, Due::Election(id)));
        }
        self.deadlines.retain(|(_, due)| *due != Due::StopBound(id));
        self.stopping = self.stopping.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&router.lane) {
            lane.set_router(router.config.vrid(), None);
            let interface = Arc::clone(&lane.interface);
            if lane.is_empty() {
                self.transport.close(router.lane);
                self.lanes.remove(&router.lane);
            }
            self.follow_link(now, &interface);
        }
        for waiting in router.stop.into_iter().flatten() {
            // Whoever gave up waiting need not be told.
            let _ = waiting.send(());
        }
    }
}

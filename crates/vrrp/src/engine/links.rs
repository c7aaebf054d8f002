//! Sockets and elections follow the interfaces.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_vip::LinkIndex;
use locum_vrrp_election::{Input, Link};

use super::{Due, Engine};
use crate::command::RouterId;
use crate::link::LinkFacts;
use crate::status::EventKind;
use crate::transport::{LaneId, Transport};

/// How long after a failure to open a socket it is tried again.
const REOPEN: Duration = Duration::from_secs(1);

impl<T: Transport> Engine<T> {
    pub(super) fn set_link(
        &mut self,
        now: Instant,
        interface: &Arc<str>,
        facts: Option<LinkFacts>,
    ) {
        match facts {
            Some(facts) => self.links.insert(Arc::clone(interface), facts),
            None => self.links.remove(interface),
        };
        self.follow_link(now, interface);
    }

    /// Brings every socket and router on `interface` into line with what is known of it.
    pub(super) fn follow_link(&mut self, now: Instant, interface: &str) {
        let on_it: Vec<LaneId> = self
            .lanes
            .iter()
            .filter(|(_, lane)| *lane.interface == *interface)
            .map(|(id, _)| *id)
            .collect();
        let facts = self.links.get(interface).cloned();
        let index = facts.as_ref().map(|facts| facts.index);
        for id in on_it {
            let Some(lane) = self.lanes.get(&id) else {
                continue;
            };
            let routers: Vec<RouterId> = lane.routers().collect();
            if lane.open.is_some() && lane.open != index {
                // Another interface of the same name, or none: whatever was held is gone with the old one.
                self.close_lane(id);
                for router in &routers {
                    self.tell_link(now, *router, Link::Down);
                }
            }
            if let Some(index) = index {
                self.open_lane(now, id, index);
            }
            let open = self.lanes.get(&id).is_some_and(|lane| lane.open.is_some());
            let up = open && facts.as_ref().is_some_and(|facts| facts.up);
            let link = if up { Link::Up } else { Link::Down };
            for router in routers {
                self.tell_source(now, router, facts.as_ref());
                self.tell_link(now, router, link);
                self.tell_address_task(router, facts.as_ref());
            }
        }
    }

    fn open_lane(&mut self, now: Instant, id: LaneId, index: LinkIndex) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        if lane.open.is_some() {
            return;
        }
        match self.transport.open(id, &lane.interface, index, lane.family) {
            Ok(()) => lane.opened(index),
            Err(error) => {
                if !std::mem::replace(&mut lane.reopening, true) {
                    self.deadlines.insert((now + REOPEN, Due::Reopen(id)));
                }
                let said = std::mem::replace(&mut lane.failed, true);
                let routers: Vec<RouterId> = lane.routers().collect();
                let error = Arc::new(error);
                for router in routers.into_iter().filter(|_| !said) {
                    self.say(now, router, EventKind::SocketFailed(Arc::clone(&error)));
                }
            }
        }
    }

    pub(super) fn reopen(&mut self, now: Instant, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.reopening = false;
            let interface = Arc::clone(&lane.interface);
            self.follow_link(now, &interface);
        }
    }

    fn tell_link(&mut self, now: Instant, id: RouterId, link: Link) {
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut router.link, link) != link {
            // A link is never refused.
            let _ = self.feed(now, id, Input::Link(link));
        }
    }

    fn tell_source(&mut self, now: Instant, id: RouterId, facts: Option<&LinkFacts>) {
        let Some(router) = self.routers.get(&id) else {
            return;
        };
        let lane = router.lane;
        let is_virtual = |address| self.is_virtual(lane, address);
        let source = facts.and_then(|facts| facts.source_for(&router.config, is_virtual));
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut router.source, source) != source {
            // A source is never refused.
            let _ = self.feed(now, id, Input::Source(source));
        }
    }

    /// Does `address` come and go with a router there? An owner's stays where it is.
    fn is_virtual(&self, lane: LaneId, address: IpAddr) -> bool {
        let Some(lane) = self.lanes.get(&lane) else {
            return false;
        };
        lane.routers()
            .filter_map(|id| self.routers.get(&id))
            .any(|router| {
                !router.config.election().priority().is_owner()
                    && router
                        .config
                        .addresses()
                        .iter()
                        .any(|one| one.addr() == address)
            })
    }

    fn tell_address_task(&self, id: RouterId, facts: Option<&LinkFacts>) {
        let Some(router) = self.routers.get(&id) else {
            return;
        };
        let index = facts.map(|facts| facts.index);
        let missing = facts.is_some_and(|facts| {
            let held = &router.status.borrow().addresses;
            held.iter()
                .any(|one| one.held && !facts.addresses.contains(&one.address.addr()))
        });
        router.wanted.send_if_modified(|wanted| {
            let moved = wanted.link != index;
            wanted.link = index;
            wanted.recheck += u64::from(missing);
            moved || missing
        });
        if index.is_none() {
            router.set_held(|_| false);
        }
    }
}

//! Sockets and elections follow the interfaces.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use locum_vip::LinkIndex;
use locum_vrrp_election::{Input, Link};

use super::{Due, Engine};
use crate::command::RouterId;
use crate::filter::Listened;
use crate::lane::Lane;
use crate::link::LinkFacts;
use crate::status::{AddressStatus, EventKind};
use crate::transport::{LaneId, Transport};

/// How long after a failure to open a socket it is tried again.
const REOPEN: Duration = Duration::from_secs(1);

/// One look at an interface.
struct Seen {
    facts: Option<LinkFacts>,
    present: BTreeSet<IpAddr>,
    /// The addresses that come and go with its routers. An owner's stay where they are.
    moving: BTreeSet<IpAddr>,
}

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
        let seen = self.look_at(interface);
        let index = seen.facts.as_ref().map(|facts| facts.index);
        for id in self.lanes_on(interface) {
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
            let is_up = seen.facts.as_ref().is_some_and(|facts| facts.up);
            for router in routers {
                let open = self.carries(id, router);
                let link = if open && is_up { Link::Up } else { Link::Down };
                self.tell_source(now, router, &seen);
                self.tell_link(now, router, link);
                self.tell_address_task(router, &seen);
            }
        }
    }

    fn look_at(&self, interface: &str) -> Seen {
        let facts = self.links.get(interface).cloned();
        let present = facts
            .iter()
            .flat_map(|facts| facts.addresses.iter().copied())
            .collect();
        let lanes = self.lanes_on(interface);
        let routers = lanes
            .iter()
            .filter_map(|id| self.lanes.get(id))
            .flat_map(Lane::routers);
        let moving = routers
            .filter_map(|id| self.routers.get(&id))
            .filter(|router| !router.config.election().priority().is_owner())
            .flat_map(|router| router.config.addresses().iter().map(IpNet::addr))
            .collect();
        Seen {
            facts,
            present,
            moving,
        }
    }

    fn lanes_on(&self, interface: &str) -> Vec<LaneId> {
        let on_it = self
            .lanes
            .iter()
            .filter(|(_, lane)| *lane.interface == *interface);
        on_it.map(|(id, _)| *id).collect()
    }

    fn open_lane(&mut self, now: Instant, id: LaneId, index: LinkIndex) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        if lane.carries(lane.wants_header) {
            return;
        }
        let opened = match lane.open {
            Some(_) => Ok(()),
            None => self
                .transport
                .open(id, &lane.interface, index, lane.family)
                .map(|()| lane.opened(index)),
        };
        let opened = opened.and_then(|()| {
            if lane.wants_header {
                self.transport.open_header(id, &lane.interface, index)?;
                lane.header_opened();
            }
            Ok(())
        });
        match opened {
            Ok(()) => lane.failed = false,
            Err(error) => {
                if !std::mem::replace(&mut lane.reopening, true) {
                    self.deadlines.insert((now + REOPEN, Due::Reopen(id)));
                }
                let said = std::mem::replace(&mut lane.failed, true);
                let routers: Vec<RouterId> = lane.routers().collect();
                let error = Arc::new(error);
                for router in routers.into_iter().filter(|_| !said) {
                    if self.carries(id, router) {
                        continue;
                    }
                    self.say(now, router, EventKind::SocketFailed(Arc::clone(&error)));
                }
            }
        }
        self.listen(id);
    }

    /// Has the lane the socket that this router needs?
    fn carries(&self, lane: LaneId, router: RouterId) -> bool {
        let router = self.routers.get(&router);
        let header = router.is_some_and(|router| router.config.has_header());
        self.lanes
            .get(&lane)
            .is_some_and(|lane| lane.carries(header))
    }

    /// Tells the socket whom its routers listen to.
    pub(super) fn listen(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get(&id) else {
            return;
        };
        let is_multicast = |id: RouterId| {
            let router = self.routers.get(&id);
            router.is_some_and(|router| router.config.peers().is_empty())
        };
        let listened = Listened {
            vrids: lane.vrids(),
            on_link: lane.routers().all(is_multicast),
        };
        // Whatever is sorted wrongly is received all the same.
        let _ = self.transport.listen(id, &listened);
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

    fn tell_source(&mut self, now: Instant, id: RouterId, seen: &Seen) {
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        let facts = seen.facts.as_ref();
        let source = facts.and_then(|facts| facts.source_for(&router.config, &seen.moving));
        if std::mem::replace(&mut router.source, source) != source {
            // A source is never refused.
            let _ = self.feed(now, id, Input::Source(source));
        }
    }

    fn tell_address_task(&self, id: RouterId, seen: &Seen) {
        let Some(router) = self.routers.get(&id) else {
            return;
        };
        let index = seen.facts.as_ref().map(|facts| facts.index);
        let lost = |one: &AddressStatus| one.held && !seen.present.contains(&one.address.addr());
        let missing = index.is_some() && router.status.borrow().addresses.iter().any(lost);
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

//! What goes, but may finish its connections first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use locum_ipvs::{
    ActualService, Destination, DestinationEntry, DestinationKey, Protocol, Service, ServiceKey,
    Snapshot,
};

use super::interface::{DrainEnd, Event};
use super::server::{Connections, Duty, destination};
use super::service::Pool;
use crate::site::VirtualService;

/// A server that the configuration no longer has.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) name: Arc<str>,
    pub(super) address: SocketAddr,
    /// With weight 0.
    pub(super) destination: Destination,
    pub(super) until: Instant,
    pub(super) since: Instant,
    pub(super) connections: Connections,
}

/// A service of the kernel that the configuration no longer has, as long as its servers have connections.
#[derive(Debug)]
pub(super) struct Departing {
    pub(super) owner: Arc<str>,
    pub(super) service: Service,
    pub(super) servers: Vec<Leaving>,
}

/// What the kernel has of one destination, over several services.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    connections: Connections,
    /// It may still get new connections, or has some that a removal would cut.
    busy: bool,
}

impl Use {
    /// Of UDP the kernel counts no connection as active.
    fn add(&mut self, key: &ServiceKey, entry: &DestinationEntry) {
        let (active, inactive) = (
            u64::from(entry.active_connections),
            u64::from(entry.inactive_connections),
        );
        let udp =
            matches!(key, ServiceKey::Endpoint { protocol, .. } if *protocol == Protocol::UDP);
        let counts = active > 0 || (udp && inactive > 0);
        // With a weight, the table was read before the draining began.
        self.busy |= counts || entry.settings.weight > 0;
        let sum = &mut self.connections;
        sum.active = sum.active.saturating_add(active);
        sum.inactive = sum.inactive.saturating_add(inactive);
    }

    fn of(services: &[&ActualService], destination: &Destination) -> Self {
        let mut all = Self::default();
        for service in services {
            let key = &service.service.key;
            if let Some(entry) = service.destinations.get(&destination.key(key)) {
                all.add(key, entry);
            }
        }
        all
    }
}

impl Pool {
    /// Takes the counts from the kernel, and ends what has drained.
    pub(super) fn count(
        &mut self,
        now: Instant,
        config: &VirtualService,
        snapshot: &Snapshot,
        events: &mut impl Extend<Event>,
    ) {
        let keys = config.kernel.iter().map(Service::key);
        let services: Vec<_> = keys.filter_map(|key| snapshot.get(key)).collect();
        let name = config.name.as_str();
        for (one, server) in config.servers.iter().zip(&mut self.servers) {
            let found = Use::of(&services, &destination(one));
            server.change(|extra| extra.connections = found.connections);
            if matches!(server.extra().duty, Duty::Draining { .. }) && !found.busy {
                server.be(now, Duty::Drained);
                let event = drained(name, &one.name, one.address(), DrainEnd::Empty);
                events.extend([event]);
            }
        }
        self.leaving
            .retain_mut(|one| one.is_busy(name, &services, events));
    }

    /// Ends what has had its time.
    pub(super) fn cut(
        &mut self,
        now: Instant,
        config: &VirtualService,
        events: &mut impl Extend<Event>,
    ) {
        let name = config.name.as_str();
        for (one, server) in config.servers.iter().zip(&mut self.servers) {
            if matches!(server.extra().duty, Duty::Draining { until } if until <= now) {
                server.be(now, Duty::Drained);
                let event = drained(name, &one.name, one.address(), DrainEnd::TimedOut);
                events.extend([event]);
            }
        }
        self.leaving.retain(|one| one.has_time(now, name, events));
    }

    /// The next end of a server's time.
    pub(super) fn next_cut(&self) -> Option<Instant> {
        let servers = self.servers.iter();
        let servers = servers.filter_map(|server| match server.extra().duty {
            Duty::Draining { until } => Some(until),
            Duty::Drained | Duty::Maintenance | Duty::Ready => None,
        });
        servers
            .chain(self.leaving.iter().map(|one| one.until))
            .min()
    }
}

impl Departing {
    pub(super) fn has(&self, destination: &Destination) -> bool {
        let key = destination.key(self.service.key());
        let mut entries = self.servers.iter().map(|one| one.destination);
        entries.any(|entry| entry.key(self.service.key()) == key)
    }

    pub(super) fn count(&mut self, snapshot: &Snapshot, events: &mut impl Extend<Event>) {
        let services: Vec<_> = snapshot.get(self.service.key()).into_iter().collect();
        let owner = &self.owner;
        self.servers
            .retain_mut(|one| one.is_busy(owner, &services, events));
    }

    pub(super) fn cut(&mut self, now: Instant, events: &mut impl Extend<Event>) {
        let owner = &self.owner;
        self.servers.retain(|one| one.has_time(now, owner, events));
    }

    pub(super) fn next_cut(&self) -> Option<Instant> {
        self.servers.iter().map(|one| one.until).min()
    }
}

impl Leaving {
    fn is_busy(
        &mut self,
        owner: &str,
        services: &[&ActualService],
        events: &mut impl Extend<Event>,
    ) -> bool {
        let found = Use::of(services, &self.destination);
        self.connections = found.connections;
        if !found.busy {
            events.extend([drained(owner, &self.name, self.address, DrainEnd::Empty)]);
        }
        found.busy
    }

    fn has_time(&self, now: Instant, owner: &str, events: &mut impl Extend<Event>) -> bool {
        let in_time = now < self.until;
        if !in_time {
            events.extend([drained(owner, &self.name, self.address, DrainEnd::TimedOut)]);
        }
        in_time
    }
}

/// Whether the kernel's entry still has something to finish.
pub(super) fn is_busy(snapshot: &Snapshot, key: &ServiceKey, destination: &DestinationKey) -> bool {
    let service = snapshot.get(key);
    let entry = service.and_then(|service| service.destinations.get(destination));
    entry.is_some_and(|entry| {
        let mut found = Use::default();
        found.add(key, entry);
        found.busy
    })
}

fn drained(service: &str, server: &Arc<str>, address: SocketAddr, end: DrainEnd) -> Event {
    Event::Drained {
        service: service.into(),
        server: Arc::clone(server),
        address,
        end,
    }
}

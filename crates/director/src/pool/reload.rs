//! From one configuration to the next, and from the kernel's table to the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use locum_health::Health;
use locum_ipvs::{Destination, DestinationKey, Service, ServiceKey, Snapshot, Weight};

use super::drain::{Departing, Leaving};
use super::server::{Duty, Found, Probe, Server, Standing, destination};
use super::service::{Origin, Pool, deadline, fitting};
use super::{Before, Checks, Place, Pools, settle};
use crate::site::{MassFailure, RealServer, Site, VirtualService};

impl Pools {
    pub(super) fn start(&mut self, now: Instant, site: &Arc<Site>, inherited: &Snapshot) {
        for (place, config) in site.services.iter().enumerate() {
            let origin = Origin::new(site, place);
            let found = |kernel: &[Service], entry: &Destination| find(kernel, entry, inherited);
            let slot = || next(&mut self.next_slot);
            let wish = |_: &str| None;
            let settles = now + self.start_bound;
            let pool = Pool::new(now, origin, config, settles, found, wish, slot);
            self.pools.push(pool);
        }
        self.keys = keys(site);
        self.find_leftovers(now, inherited);
        self.find_places();
        // Counted when something happens: the table does not wait for that.
        self.burst.begin(site.ipvs.mass_failure);
        self.decide(now);
        self.reschedule();
    }

    /// What else is to be done with the first configuration before a server can be found to be down, or up.
    pub(super) fn be_counted(&mut self) {
        if !self.burst.is_counted() {
            self.add_up(self.burst.settings());
        }
    }

    pub(super) fn reload(&mut self, now: Instant, site: &Arc<Site>) -> Checks {
        self.be_counted();
        let checks_before = (self.next_slot, self.places.len());
        self.start_bound = site.ipvs.start_bound;
        let old_keys = std::mem::replace(&mut self.keys, keys(site));
        let back = self.depart(now);
        self.former.extend(old_keys);
        self.former.retain(|key| !self.keys.contains(key));
        self.leftovers.retain(|(key, _), _| self.keys.contains(key));

        let mut old = Predecessors::new(std::mem::take(&mut self.pools), site);
        for (place, config) in site.services.iter().enumerate() {
            let origin = Origin::new(site, place);
            let pool = if let Some(mut pool) = old.take(config) {
                let old = std::mem::replace(&mut pool.origin, origin);
                let is_same = old.config().is_some_and(|old| Arc::ptr_eq(old, config));
                if !is_same {
                    self.renew(now, &mut pool, config);
                }
                pool
            } else {
                // What still drains in a service that comes back is in the table, with weight 0.
                let found = |kernel: &[Service], entry: &Destination| {
                    let mut back = kernel.iter().filter_map(|one| back.get(one.key()));
                    if back.any(|one| one.has(entry)) {
                        Found::Quiesced
                    } else {
                        Found::Absent
                    }
                };
                let slot = || next(&mut self.next_slot);
                let wish = |server: &str| self.wishes.of(&config.name, server);
                let settles = now + self.start_bound;
                Pool::new(now, origin, config, settles, found, wish, slot)
            };
            self.pools.push(pool);
        }
        self.reckon(now, site);
        // A new check has a new number, and one that is gone takes its number with it.
        if (self.next_slot, self.places.len()) == checks_before {
            Checks::Same
        } else {
            Checks::Others
        }
    }

    /// Lets the services of the kernel go that are not in the configuration any more. Gives those that are back.
    fn depart(&mut self, now: Instant) -> BTreeMap<ServiceKey, Departing> {
        for pool in &self.pools {
            let Some(until) = deadline(now, pool.drain_timeout) else {
                continue;
            };
            let gone = |service: &&Service| !self.keys.contains(service.key());
            for service in pool.kernel().iter().filter(gone) {
                let servers = pool.departing(now, service.key(), until);
                let departing = Departing {
                    owner: Arc::clone(&pool.name),
                    service: service.clone(),
                    servers,
                };
                self.departing.insert(*service.key(), departing);
            }
        }
        let departing = std::mem::take(&mut self.departing).into_iter();
        let (back, gone) = departing.partition(|(key, _)| self.keys.contains(key));
        self.departing = gone;
        self.part();
        back
    }

    fn renew(&mut self, now: Instant, pool: &mut Pool, config: &Arc<VirtualService>) {
        let until = deadline(now, config.drain_timeout);
        pool.name = config.name.as_str().into();
        pool.sorry = config.sorry;
        pool.drain_timeout = config.drain_timeout;
        pool.quorum = config.quorum;

        let entries = pool.entries();
        let before = std::mem::take(&mut pool.servers);
        let mut before: BTreeMap<_, _> = before.into_iter().map(|s| (s.address(), s)).collect();
        for one in &config.servers {
            let server = if let Some(mut server) = before.remove(&one.address()) {
                let was = Before::of(&server, pool.on_failure);
                server.renew(one, || next(&mut self.next_slot));
                server.wish = self.wishes.of(&config.name, &one.name);
                server.assign(now, until, was.found);
                settle(now, &mut self.burst, &mut server, &was);
                if was.standing != server.standing {
                    self.events.extend(was.event(&pool.name, &server));
                }
                server
            } else {
                let found = pool.place(one).and_then(|place| entries.get(&place));
                let found = found.copied().unwrap_or(Found::Absent);
                let slot = || next(&mut self.next_slot);
                let mut server = Server::new(now, one, config.initial, found, slot);
                server.wish = self.wishes.of(&config.name, &one.name);
                server.assign(now, until, found);
                server
            };
            pool.servers.push(server);
        }

        if let Some(until) = until {
            let gone = before.into_values();
            let gone = gone.filter(|server| server.entry(pool.on_failure).is_some());
            let gone = gone.map(|server| server.leave(now, until));
            pool.leaving.extend(gone);
        }
        pool.on_failure = config.on_failure;
        let places = config.servers.iter().filter_map(|one| pool.place(one));
        let places: BTreeSet<_> = places.collect();
        let first = pool.kernel().first().map(Service::key).copied();
        let is_free =
            |one: &Leaving| first.is_none_or(|key| !places.contains(&one.destination.key(&key)));
        pool.leaving.retain(is_free);
    }

    fn find_places(&mut self) {
        self.places.clear();
        for (pool_index, pool) in self.pools.iter().enumerate() {
            for (server_index, server) in pool.servers.iter().enumerate() {
                for (index, probe) in server.probes.iter().enumerate() {
                    let place = Place {
                        pool: pool_index,
                        server: server_index,
                        probe: index,
                    };
                    self.places.insert(probe.slot, place);
                }
            }
        }
    }

    fn reckon(&mut self, now: Instant, site: &Site) {
        self.find_places();
        self.add_up(site.ipvs.mass_failure);
        if self.burst.until().is_some() && site.ipvs.mass_failure.is_none() {
            self.end_hold(now);
        }
        self.decide(now);
        self.reschedule();
    }

    /// Counts anew what is in service.
    pub(super) fn add_up(&mut self, mass_failure: Option<MassFailure>) {
        self.pools.iter_mut().for_each(Pool::reckon);
        let servers = self.pools.iter().flat_map(|pool| &pool.servers);
        let ready = servers.filter(|server| server.duty == Duty::Ready);
        let ready = ready.map(|server| (server.address(), server.standing));
        self.burst.recount(mass_failure, ready);
    }

    /// Entries that are in a service of ours, and neither a server nor the sorry server.
    fn find_leftovers(&mut self, now: Instant, inherited: &Snapshot) {
        for pool in &self.pools {
            let Some(until) = deadline(now, pool.drain_timeout) else {
                continue;
            };
            let servers = pool.servers.iter().map(|server| server.destination);
            let sorry = pool.sorry.map(|s| Destination::new(s.address, s.forward));
            let known: Vec<Destination> = servers.chain(sorry).collect();
            for service in pool.kernel() {
                let Some(actual) = inherited.get(service.key()) else {
                    continue;
                };
                let known = fitting(service.key(), &known);
                let unknown = actual
                    .destinations
                    .keys()
                    .filter(|key| !known.contains_key(key));
                let unknown = unknown.map(|key| ((*service.key(), *key), until));
                self.leftovers.extend(unknown);
            }
        }
    }
}

impl Pool {
    /// Where a server is in the table. All services of the kernel agree in that, but for a port that is not the server's.
    fn place(&self, config: &RealServer) -> Option<DestinationKey> {
        let first = self.kernel().first()?;
        Some(destination(config).key(first.key()))
    }

    /// The places in the table that its servers have. A server for which nothing but the port of its checks changes
    /// is another one, in the same place.
    fn entries(&self) -> BTreeMap<DestinationKey, Found> {
        let Some(key) = self.kernel().first().map(Service::key) else {
            return BTreeMap::new();
        };
        let leaving = self.leaving.iter();
        let leaving = leaving.map(|one| (one.destination.key(key), Found::Quiesced));
        let servers = self.servers.iter().filter_map(|server| {
            server.entry(self.on_failure)?;
            let found = if server.in_service() {
                Found::Serving
            } else {
                Found::Quiesced
            };
            Some((server.destination.key(key), found))
        });
        leaving.chain(servers).collect()
    }

    /// What one of its services of the kernel has in the table.
    fn departing(&self, now: Instant, key: &ServiceKey, until: Instant) -> Vec<Leaving> {
        let entries = fitting(key, &self.destinations());
        let servers = self.servers.iter();
        let servers = servers.map(|s| (Arc::clone(&s.name), s.address(), s.destination));
        let leaving = self.leaving.iter();
        let leaving = leaving.map(|l| (Arc::clone(&l.name), l.address, l.destination));
        let sorry = self.sorry.iter().map(|s| {
            let destination = Destination::new(s.address, s.forward);
            ("sorry server".into(), s.address, destination)
        });
        let mut names = BTreeMap::new();
        for (name, address, destination) in servers.chain(leaving).chain(sorry) {
            names.entry(destination.key(key)).or_insert((name, address));
        }
        let named = entries.iter().filter_map(|(entry, destination)| {
            let (name, address) = names.remove(entry)?;
            Some(Leaving {
                name,
                address,
                destination: destination.weight(Weight::ZERO),
                until,
                since: now,
                connections: super::Connections::default(),
            })
        });
        named.collect()
    }
}

impl Server {
    /// Takes another configuration. A check that is new passes until it fails, if the server is in service; nothing
    /// is known of it otherwise.
    fn renew(&mut self, config: &RealServer, mut slot: impl FnMut() -> super::Slot) {
        let believed = if self.standing == Standing::Up || self.held {
            Health::Up
        } else {
            Health::Unknown
        };
        let mut old = std::mem::take(&mut self.probes);
        for check in &config.checks {
            let same = old.iter().position(|probe| probe.check == *check);
            let probe = match same {
                Some(index) => old.remove(index),
                None => Probe::new(slot(), check.clone(), believed),
            };
            self.probes.push(probe);
        }
        self.name = Arc::clone(&config.name);
        self.destination = destination(config);
        self.configured = config.weight;
        self.admin = config.admin;
    }

    fn leave(self, now: Instant, until: Instant) -> Leaving {
        let until = match self.duty {
            Duty::Draining { until } => until,
            Duty::Drained | Duty::Maintenance | Duty::Ready => until,
        };
        Leaving {
            address: self.address(),
            name: self.name,
            destination: self.destination.weight(Weight::ZERO),
            until,
            since: now,
            connections: self.connections,
        }
    }
}

/// The pools before a reload.
struct Predecessors {
    by_name: BTreeMap<Arc<str>, Pool>,
    /// Names of those whose name is not in the new configuration.
    by_key: BTreeMap<ServiceKey, Arc<str>>,
}

impl Predecessors {
    fn new(pools: Vec<Pool>, site: &Site) -> Self {
        let names: BTreeSet<&str> = site.services.iter().map(|s| s.name.as_str()).collect();
        let renamed = pools.iter().filter(|pool| !names.contains(&*pool.name));
        let by_key = renamed.flat_map(|pool| {
            let keys = pool.kernel().iter().map(Service::key).copied();
            keys.map(|key| (key, Arc::clone(&pool.name)))
        });
        Self {
            by_key: by_key.collect(),
            by_name: pools
                .into_iter()
                .map(|p| (Arc::clone(&p.name), p))
                .collect(),
        }
    }

    fn take(&mut self, config: &VirtualService) -> Option<Pool> {
        self.by_name.remove(config.name.as_str()).or_else(|| {
            let keys = config.kernel.iter().map(Service::key);
            let name = keys.filter_map(|key| self.by_key.get(key)).next()?;
            self.by_name.remove(name)
        })
    }
}

fn keys(site: &Site) -> BTreeSet<ServiceKey> {
    let kernel = site.services.iter().flat_map(|service| &service.kernel);
    kernel.map(Service::key).copied().collect()
}

/// In any of the services; a server whose configured weight is 0 serves with that.
fn find(kernel: &[Service], entry: &Destination, inherited: &Snapshot) -> Found {
    let configured = entry.settings().weight;
    let mut found = Found::Absent;
    for key in kernel.iter().map(Service::key) {
        let service = inherited.get(key);
        let actual = service.and_then(|service| service.destinations.get(&entry.key(key)));
        match actual.map(|actual| actual.settings.weight) {
            None => {}
            Some(weight) if weight > 0 || weight == configured => return Found::Serving,
            Some(_) => found = Found::Quiesced,
        }
    }
    found
}

fn next(counter: &mut u64) -> super::Slot {
    let slot = super::Slot(*counter);
    *counter = counter.saturating_add(1);
    slot
}

//! From one configuration to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use locum_health::Health;
use locum_ipvs::{Destination, DestinationKey, Service, ServiceKey, Weight};

use super::drain::{Departing, Leaving};
use super::server::{Duty, Found, Probe, Server, Standing, destination};
use super::service::{Pool, deadline, fitting};
use super::{Before, Checks, Place, Pools, settle};
use crate::site::{Check, MassFailure, RealServer, Site, VirtualService};

impl Pools {
    pub(super) fn reload(&mut self, now: Instant, site: &Arc<Site>) -> Checks {
        self.be_counted();
        let checks_before = (self.next_slot, self.places.len());
        let keys = keys(site);
        let back = self.depart(now, &keys);
        let old = std::mem::replace(&mut self.site, Arc::clone(site));
        self.former.extend(kernel(&old).map(Service::key));
        self.former.retain(|key| !keys.contains(key));
        self.leftovers.retain(|(key, _), _| keys.contains(key));

        let mut old = Predecessors::new(&old, std::mem::take(&mut self.pools), site);
        for config in &site.services {
            let pool = if let Some((old, mut pool)) = old.take(config) {
                if !Arc::ptr_eq(old, config) {
                    self.renew(now, &mut pool, old, config);
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
                let settles = now + site.ipvs.start_bound;
                Pool::new(now, config, settles, found, wish, slot)
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
    fn depart(
        &mut self,
        now: Instant,
        keys: &BTreeSet<ServiceKey>,
    ) -> BTreeMap<ServiceKey, Departing> {
        for (config, pool) in self.site.services.iter().zip(&self.pools) {
            let Some(until) = deadline(now, config.drain_timeout) else {
                continue;
            };
            let gone = |service: &&Service| !keys.contains(service.key());
            for service in config.kernel.iter().filter(gone) {
                let departing = Departing {
                    owner: config.name.as_str().into(),
                    service: service.clone(),
                    servers: pool.departing(now, config, service.key(), until),
                };
                self.departing.insert(*service.key(), departing);
            }
        }
        let departing = std::mem::take(&mut self.departing).into_iter();
        let (back, gone) = departing.partition(|(key, _)| keys.contains(key));
        self.departing = gone;
        self.part();
        back
    }

    fn renew(
        &mut self,
        now: Instant,
        pool: &mut Pool,
        old: &VirtualService,
        config: &VirtualService,
    ) {
        let until = deadline(now, config.drain_timeout);
        let entries = pool.entries(old, config);
        let before = old.servers.iter().zip(std::mem::take(&mut pool.servers));
        let mut before: BTreeMap<_, _> = before.map(|one| (one.0.address(), one)).collect();
        let mut servers = Vec::with_capacity(config.servers.len());
        for one in &config.servers {
            let wish = self.wishes.of(&config.name, &one.name);
            let server = if let Some((old_one, mut server)) = before.remove(&one.address()) {
                let was = Before::of(old_one, &server, old.on_failure);
                server.renew(old_one, one, || next(&mut self.next_slot));
                server.change(|extra| extra.wish = wish);
                server.assign(now, until, one.admin, was.found);
                settle(now, &mut self.burst, one, &mut server, &was);
                if was.standing != server.standing() {
                    self.events.extend(was.event(config, one, &server));
                }
                server
            } else {
                let found = place(config, one).and_then(|place| entries.get(&place));
                let found = found.copied().unwrap_or(Found::Absent);
                let slot = || next(&mut self.next_slot);
                let mut server = Server::new(now, one, config.initial, found, slot);
                server.change(|extra| extra.wish = wish);
                server.assign(now, until, one.admin, found);
                server
            };
            servers.push(server);
        }
        pool.servers = servers.into_boxed_slice();

        if let Some(until) = until {
            let gone = before.into_values();
            let gone = gone.filter(|(one, server)| server.entry(one, old.on_failure).is_some());
            let gone = gone.map(|(one, server)| server.leave(one, now, until));
            pool.leaving.extend(gone);
        }
        let places = config.servers.iter().filter_map(|one| place(config, one));
        let places: BTreeSet<_> = places.collect();
        let first = config.kernel.first().map(Service::key);
        let is_free =
            |one: &Leaving| first.is_none_or(|key| !places.contains(&one.destination.key(key)));
        pool.leaving.retain(is_free);
    }

    pub(super) fn find_places(&mut self) {
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
        for (config, pool) in self.site.services.iter().zip(&mut self.pools) {
            pool.reckon(config);
        }
        let pools = self.site.services.iter().zip(&self.pools);
        let servers = pools.flat_map(|(config, pool)| pool.servers(config));
        let ready = servers.filter(|(_, server)| server.extra().duty == Duty::Ready);
        let ready = ready.map(|(config, server)| (config.address(), server.standing()));
        self.burst.recount(mass_failure, ready);
    }
}

impl Pool {
    /// The places in the table of the `new` configuration that its servers have. A server for which nothing but the port
    /// of its checks changes is another one, in the same place.
    fn entries(
        &self,
        config: &VirtualService,
        new: &VirtualService,
    ) -> BTreeMap<DestinationKey, Found> {
        let Some(key) = new.kernel.first().map(Service::key) else {
            return BTreeMap::new();
        };
        let leaving = self.leaving.iter();
        let leaving = leaving.map(|one| (one.destination.key(key), Found::Quiesced));
        let servers = self.servers(config).filter_map(|(one, server)| {
            server.entry(one, config.on_failure)?;
            let found = if server.in_service() {
                Found::Serving
            } else {
                Found::Quiesced
            };
            Some((destination(one).key(key), found))
        });
        leaving.chain(servers).collect()
    }

    /// What one of its services of the kernel has in the table.
    fn departing(
        &self,
        now: Instant,
        config: &VirtualService,
        key: &ServiceKey,
        until: Instant,
    ) -> Vec<Leaving> {
        let entries = fitting(key, &self.destinations(config));
        let servers = config.servers.iter();
        let servers = servers.map(|s| (Arc::clone(&s.name), s.address(), destination(s)));
        let leaving = self.leaving.iter();
        let leaving = leaving.map(|l| (Arc::clone(&l.name), l.address, l.destination));
        let sorry = config.sorry.iter().map(|s| {
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
    fn renew(
        &mut self,
        old: &RealServer,
        config: &RealServer,
        mut slot: impl FnMut() -> super::Slot,
    ) {
        let believed = if self.standing() == Standing::Up || self.extra().held {
            Health::Up
        } else {
            Health::Unknown
        };
        let old = old.checks.iter().zip(std::mem::take(&mut self.probes));
        let mut old: Vec<(&Check, Probe)> = old.collect();
        let probes = config.checks.iter().map(|check| {
            let same = old.iter().position(|(was, _)| *was == check);
            match same {
                Some(index) => old.remove(index).1,
                None => Probe::new(slot(), believed),
            }
        });
        self.probes = probes.collect();
    }

    fn leave(self, config: &RealServer, now: Instant, until: Instant) -> Leaving {
        let until = match self.extra().duty {
            Duty::Draining { until } => until,
            Duty::Drained | Duty::Maintenance | Duty::Ready => until,
        };
        Leaving {
            address: config.address(),
            name: Arc::clone(&config.name),
            destination: destination(config).weight(Weight::ZERO),
            until,
            since: now,
            connections: self.extra().connections,
        }
    }
}

/// The pools before a reload, with what they were made of.
struct Predecessors<'o> {
    by_name: BTreeMap<&'o str, (&'o Arc<VirtualService>, Pool)>,
    /// Names of those whose name is not in the new configuration.
    by_key: BTreeMap<ServiceKey, &'o str>,
}

impl<'o> Predecessors<'o> {
    fn new(old: &'o Site, pools: Vec<Pool>, new: &Site) -> Self {
        let names: BTreeSet<&str> = new.services.iter().map(|s| s.name.as_str()).collect();
        let renamed = old.services.iter();
        let renamed = renamed.filter(|config| !names.contains(config.name.as_str()));
        let by_key = renamed.flat_map(|config| {
            let keys = config.kernel.iter().map(Service::key).copied();
            keys.map(|key| (key, config.name.as_str()))
        });
        let pools = old.services.iter().zip(pools);
        Self {
            by_key: by_key.collect(),
            by_name: pools.map(|one| (one.0.name.as_str(), one)).collect(),
        }
    }

    fn take(&mut self, config: &VirtualService) -> Option<(&'o Arc<VirtualService>, Pool)> {
        self.by_name.remove(config.name.as_str()).or_else(|| {
            let keys = config.kernel.iter().map(Service::key);
            let name = keys.filter_map(|key| self.by_key.get(key)).next()?;
            self.by_name.remove(name)
        })
    }
}

fn kernel(site: &Site) -> impl Iterator<Item = &Service> {
    site.services.iter().flat_map(|service| &service.kernel)
}

fn keys(site: &Site) -> BTreeSet<ServiceKey> {
    kernel(site).map(Service::key).copied().collect()
}

/// Where a server is in the table. All services of the kernel agree in that, but for a port that is not the server's.
fn place(service: &VirtualService, server: &RealServer) -> Option<DestinationKey> {
    let first = service.kernel.first()?;
    Some(destination(server).key(first.key()))
}

pub(super) fn next(counter: &mut u64) -> super::Slot {
    let slot = super::Slot(*counter);
    *counter = counter.saturating_add(1);
    slot
}

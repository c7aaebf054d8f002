//! The pools of servers: what should be in the kernel's table, decided from the configuration, the checks and time.
//!
//! Pure: the driver tells [`Pools`] what happened and asks it what should be. The rules:
//!
//! - **A server is up** when all its checks pass; without checks it always is. Before the first results it is what
//!   `initial` says. With `checking` it is up if the kernel's table had it with a weight, so that a restart takes
//!   nothing out; if it was there with weight 0 it stays like that; otherwise it is not in the table until it passes.
//! - **Its weight** is the least that its checks ask for, or the configured one. It has nothing to do with up and down:
//!   a server with weight 0 is up and gets no new connections.
//! - **A server that fails** is taken out, or gets weight 0, as `on_failure` says.
//! - **The quorum** counts the weight of the servers in service. It is decided, and told, when the first round of the
//!   service's checks is over (at the latest after `start_bound`), and then told when it changes.
//! - **The sorry server** serves alone while the quorum is lost: servers that are still up stay with weight 0, so that
//!   their connections go on. When the quorum is back, it goes. Without a sorry server those that are up serve.
//! - **A mass failure** begins a hold: enough servers, each address once, fell within a short time. Those that fell in
//!   that time go back in as they were, even those that had been taken out, and those that fall during the hold stay.
//!   One that comes up is up. When the hold ends, what is still down is taken out, all at once, and its failure
//!   counts no more: a hold follows from new failures only. So a failure puts a server back at most once.
//! - **Draining**: a server that the administrator drains, or that a reload removes, has weight 0 until the kernel
//!   counts no active connection (for UDP: none at all) or `drain_timeout` is over. What checks say plays no part.
//!   A service that a reload removes stays as long as one of its servers drains. Entries that an earlier run left in a
//!   service of ours drain too; what others put there later goes at once.
//! - **The operator's wish** at run time comes before the configuration: to drain, to be out at once (maintenance), to
//!   serve though the configuration drains it, or to have another weight than configuration and checks say. Checks go
//!   on meanwhile: when the wish is over, the server is at once what they say.

mod burst;
mod drain;
mod interface;
mod reload;
mod report;
mod server;
mod service;
mod start;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use locum_health::{CheckError, Health};
use locum_ipvs::{DestinationKey, Removal, ServiceKey, Snapshot, Table, Weight};

use self::burst::{Burst, Verdict};
use self::drain::Departing;
pub(crate) use self::interface::{DrainEnd, Event, Input, Slot};
pub(crate) use self::report::{PoolReport, ServerReport, ServerState};
pub(crate) use self::server::Connections;
use self::server::{Duty, Found, Server, Standing};
use self::service::Pool;
pub(crate) use self::service::QuorumState;
pub(crate) use self::start::first_tables;
use self::wishes::Wishes;
use crate::site::{Check, OnFailure, RealServer, Site, VirtualService};

/// The pools of a site.
///
/// After each [`handle`](Self::handle) and [`replace`](Self::replace), [`poll_event`](Self::poll_event) gives what
/// happened and [`desired`](Self::desired) the table that should be.
#[derive(Debug)]
pub(crate) struct Pools {
    /// What they are made of: the first pool of the first service, and so on. Nothing of it is in them again.
    site: Arc<Site>,
    pools: Vec<Pool>,
    places: BTreeMap<Slot, Place>,
    wishes: Wishes,
    next_slot: u64,
    burst: Burst,
    /// Services of the kernel that the configuration no longer has and whose servers drain.
    departing: BTreeMap<ServiceKey, Departing>,
    /// Those that it no longer has and that may still be in the kernel.
    former: BTreeSet<ServiceKey>,
    /// Entries of an earlier run that are not configured, and until when they may drain.
    leftovers: BTreeMap<(ServiceKey, DestinationKey), Instant>,
    /// No time runs out before it.
    next: Option<Instant>,
    events: VecDeque<Event>,
    /// So many pools have told what they were at the start. Each does when somebody asks: that takes no memory.
    told: usize,
    /// What should be, if somebody asked since the last change.
    table: OnceLock<Arc<Table>>,
}

/// Where a check is: numbers of the pool, the server and the check.
#[derive(Debug, Clone, Copy)]
struct Place {
    pool: usize,
    server: usize,
    probe: usize,
}

/// Whether [`Pools::checks`] are what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    Others,
    Same,
}

impl Pools {
    /// The pools at the start. `inherited` is the kernel's table as an earlier run may have left it.
    pub(crate) fn new(now: Instant, site: &Arc<Site>, inherited: &Snapshot) -> Self {
        let mut pools = Self {
            site: Arc::clone(site),
            pools: Vec::with_capacity(site.services.len()),
            places: BTreeMap::new(),
            wishes: Wishes::default(),
            next_slot: 0,
            burst: Burst::default(),
            departing: BTreeMap::new(),
            former: BTreeSet::new(),
            leftovers: BTreeMap::new(),
            next: None,
            events: VecDeque::new(),
            told: 0,
            table: OnceLock::new(),
        };
        pools.start(now, inherited);
        pools
    }

    /// Takes another configuration. What has the same name and address keeps what is known of it; a service that has
    /// only got another name is found by its address. A check that is as it was keeps its number.
    pub(crate) fn replace(&mut self, now: Instant, site: &Arc<Site>) -> Checks {
        self.expire(now);
        self.reload(now, site)
    }

    /// Every check, with what is believed of its server until it has a result.
    pub(crate) fn checks(&self) -> impl Iterator<Item = (Slot, &Check, Health)> {
        let servers = self.each().flat_map(|(config, pool)| pool.servers(config));
        let probes = servers.flat_map(|(config, server)| server.probes(config));
        probes.map(|(check, probe)| (probe.slot, check, probe.health))
    }

    /// The pools with what they are made of.
    fn each(&self) -> impl Iterator<Item = (&VirtualService, &Pool)> {
        let services = self.site.services.iter().map(|service| &**service);
        services.zip(&self.pools)
    }

    /// Takes what happened.
    pub(crate) fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.expire(now);
        match input {
            Input::Kernel(snapshot) => self.count(now, snapshot),
            Input::Report {
                slot,
                health,
                weight,
                error,
            } => self.observe(now, slot, health, weight, error),
            Input::Timeout => {}
        }
    }

    /// What happened, oldest first.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| {
            let services = self.site.services.iter().skip(self.told);
            let mut pools = services.zip(self.pools.iter_mut().skip(self.told));
            pools.find_map(|(config, pool)| {
                self.told = self.told.saturating_add(1);
                pool.tell(config)
            })
        })
    }

    /// When [`Input::Timeout`] is due. It may turn out that nothing was.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.next, self.burst.until()].into_iter().flatten().min()
    }

    /// The whole table that should be. Takes time proportional to its size when something changed, and none otherwise.
    pub(crate) fn desired(&self) -> &Arc<Table> {
        self.table.get_or_init(|| {
            let mut table = Table::new();
            for (config, pool) in self.each() {
                put(&mut table, config, pool);
            }
            for departing in self.departing.values() {
                let service = departing.service.clone();
                let all: Vec<_> = departing.servers.iter().map(|s| s.destination).collect();
                let fitting = service::fitting(service.key(), &all);
                let inserted = table.insert(service, fitting.into_values());
                debug_assert!(inserted.is_ok(), "{inserted:?}");
            }
            Arc::new(table)
        })
    }

    /// Whether every check of every server has had a result.
    pub(crate) fn first_round_done(&self) -> bool {
        self.pools.iter().all(|pool| pool.unreported == 0)
    }

    /// Whether a service of the kernel is the configuration's, or was and has not been seen gone.
    pub(crate) fn is_ours(&self, key: &ServiceKey) -> bool {
        self.desired().contains_key(key) || self.former.contains(key)
    }

    /// Entries of the kernel that an earlier run left, and that may still finish their connections.
    pub(crate) fn leftovers(&self) -> BTreeSet<(ServiceKey, DestinationKey)> {
        self.leftovers.keys().copied().collect()
    }

    /// What becomes of an entry that is in a service of ours but not in the table that should be.
    pub(crate) fn removal(&self, key: &ServiceKey, destination: &DestinationKey) -> Removal {
        if self.leftovers.contains_key(&(*key, *destination)) {
            Removal::Drain
        } else {
            Removal::Remove
        }
    }

    fn observe(
        &mut self,
        now: Instant,
        slot: Slot,
        health: Health,
        weight: Option<u32>,
        error: Option<Arc<CheckError>>,
    ) {
        let Some(place) = self.places.get(&slot).copied() else {
            return;
        };
        self.be_counted();
        let pool = self.pools.get_mut(place.pool);
        let (Some(service), Some(pool)) = (self.site.services.get(place.pool), pool) else {
            return;
        };
        let server = pool.servers.get_mut(place.server);
        let (Some(config), Some(server)) = (service.servers.get(place.server), server) else {
            return;
        };
        let before = Before::of(config, server, service.on_failure);
        let Some(probe) = server.probes.get_mut(place.probe) else {
            return;
        };
        match health {
            Health::Unknown => return,
            Health::Up => (probe.weight, probe.error) = (weight, None),
            // What it asked for while it was up is remembered: a hold keeps it as it was.
            Health::Down => probe.error = error,
        }
        probe.health = health;
        if !std::mem::replace(&mut probe.reported, true) {
            pool.unreported = pool.unreported.saturating_sub(1);
        }
        let verdict = settle(now, &mut self.burst, config, server, &before);
        self.events.extend(before.event(service, config, server));
        pool.weight = pool.weight.saturating_sub(before.counted);
        pool.weight = pool.weight.saturating_add(server.counted(config));
        self.table.take();
        if verdict == Verdict::Begin {
            self.begin_hold(now);
        } else {
            self.events.extend(pool.decide(now, service));
        }
    }

    /// Puts back what fell in the window.
    fn begin_hold(&mut self, now: Instant) {
        let (Some(until), Some(settings)) = (self.burst.until(), self.burst.settings()) else {
            return;
        };
        let in_window = |fell| now.saturating_duration_since(fell) <= settings.within;
        let mut servers = 0_usize;
        for (service, pool) in self.site.services.iter().zip(&mut self.pools) {
            for (config, server) in service.servers.iter().zip(&mut pool.servers) {
                let extra = server.extra();
                if extra.duty == Duty::Ready && extra.fell.is_some_and(in_window) {
                    server.change(|extra| extra.held = true);
                    pool.weight = pool.weight.saturating_add(server.counted(config));
                    servers = servers.saturating_add(1);
                }
            }
        }
        self.events.push_back(Event::HoldBegan { servers, until });
        self.decide(now);
    }

    /// Takes out what is still down.
    fn end_hold(&mut self, now: Instant) {
        self.burst.end();
        let mut taken = 0_usize;
        for (service, pool) in self.site.services.iter().zip(&mut self.pools) {
            for (config, server) in service.servers.iter().zip(&mut pool.servers) {
                if server.extra().held {
                    let counted = server.counted(config);
                    server.recover();
                    pool.weight = pool.weight.saturating_sub(counted);
                    pool.weight = pool.weight.saturating_add(server.counted(config));
                    taken = taken.saturating_add(1);
                }
            }
        }
        self.events.push_back(Event::HoldEnded { taken });
        self.decide(now);
    }

    fn decide(&mut self, now: Instant) {
        for (config, pool) in self.site.services.iter().zip(&mut self.pools) {
            self.events.extend(pool.decide(now, config));
        }
        self.table.take();
    }

    fn count(&mut self, now: Instant, snapshot: &Snapshot) {
        self.former.retain(|key| snapshot.get(key).is_some());
        self.leftovers
            .retain(|(key, destination), _| drain::is_busy(snapshot, key, destination));
        let told = self.events.len();
        for (config, pool) in self.site.services.iter().zip(&mut self.pools) {
            pool.count(now, config, snapshot, &mut self.events);
        }
        for departing in self.departing.values_mut() {
            departing.count(snapshot, &mut self.events);
        }
        if self.events.len() > told {
            self.part();
            self.table.take();
            self.reschedule();
        }
    }

    /// Does what is due.
    fn expire(&mut self, now: Instant) {
        if self.burst.until().is_some_and(|until| until <= now) {
            self.end_hold(now);
        }
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.leftovers.retain(|_, until| *until > now);
        for (config, pool) in self.site.services.iter().zip(&mut self.pools) {
            pool.cut(now, config, &mut self.events);
        }
        for departing in self.departing.values_mut() {
            departing.cut(now, &mut self.events);
        }
        self.part();
        self.decide(now);
        self.reschedule();
    }

    /// Lets go of services whose servers have all drained.
    fn part(&mut self) {
        let gone = self
            .departing
            .iter()
            .filter(|(_, one)| one.servers.is_empty());
        self.former.extend(gone.map(|(key, _)| *key));
        self.departing.retain(|_, one| !one.servers.is_empty());
    }

    fn reschedule(&mut self) {
        let pools = self.pools.iter();
        let pools = pools.flat_map(|pool| [pool.settles, pool.next_cut()]);
        let departing = self.departing.values().map(Departing::next_cut);
        let leftovers = self.leftovers.values().copied().map(Some);
        self.next = pools.chain(departing).chain(leftovers).flatten().min();
    }
}

/// Lets a server be what its checks say.
fn settle(
    now: Instant,
    burst: &mut Burst,
    config: &RealServer,
    server: &mut Server,
    before: &Before,
) -> Verdict {
    let (was, is) = (before.standing, server.standing());
    if was == is {
        return Verdict::Let;
    }
    server.since = now;
    let lingers = is == Standing::Checking && before.found != Found::Absent;
    server.change(|extra| extra.lingers = lingers);
    if is == Standing::Up {
        server.recover();
    }
    if server.extra().duty != Duty::Ready {
        return Verdict::Let;
    }
    match (was, is) {
        (Standing::Checking | Standing::Down, Standing::Up) => {
            burst.rose(config.address());
            Verdict::Let
        }
        (Standing::Up, Standing::Checking | Standing::Down) => {
            let verdict = burst.fell(now, config.address());
            server.change(|extra| {
                extra.fell = Some(now);
                extra.held = verdict == Verdict::Hold;
            });
            verdict
        }
        (Standing::Checking | Standing::Down, Standing::Checking | Standing::Down)
        | (Standing::Up, Standing::Up) => Verdict::Let,
    }
}

/// A server before something changes.
struct Before {
    /// In the table that should have been.
    found: Found,
    standing: Standing,
    weight: Weight,
    counted: u64,
    unreported: usize,
}

impl Before {
    fn of(config: &RealServer, server: &Server, on_failure: OnFailure) -> Self {
        Self {
            found: match server.entry(config, on_failure) {
                None => Found::Absent,
                Some(_) => Found::Serving,
            },
            standing: server.standing(),
            weight: server.weight(config),
            counted: server.counted(config),
            unreported: server.unreported(),
        }
    }

    /// What has happened to it since.
    fn event(
        &self,
        service: &VirtualService,
        config: &RealServer,
        server: &Server,
    ) -> Option<Event> {
        let (service, name) = (service.name.as_str().into(), Arc::clone(&config.name));
        let address = config.address();
        match (self.standing, server.standing()) {
            (Standing::Checking | Standing::Down, Standing::Up) => Some(Event::ServerUp {
                service,
                server: name,
                address,
                first: self.unreported > 0,
            }),
            (Standing::Checking | Standing::Up, Standing::Down) => Some(Event::ServerDown {
                service,
                server: name,
                address,
                reason: server.reason(config),
                first: self.standing == Standing::Checking,
                held: server.extra().held,
            }),
            (Standing::Up, Standing::Up) if self.weight != server.weight(config) => {
                Some(Event::WeightChanged {
                    service,
                    server: name,
                    address,
                    from: self.weight,
                    to: server.weight(config),
                })
            }
            (Standing::Checking | Standing::Down | Standing::Up, Standing::Checking)
            | (Standing::Down, Standing::Down)
            | (Standing::Up, Standing::Up) => None,
        }
    }
}

/// Puts in what a service should have.
fn put(table: &mut Table, config: &VirtualService, pool: &Pool) {
    let destinations = pool.destinations(config);
    for service in &config.kernel {
        let fitting = service::fitting(service.key(), &destinations);
        // A validated site has each service once, and what does not fit was left out.
        let inserted = table.insert(service.clone(), fitting.into_values());
        debug_assert!(inserted.is_ok(), "{inserted:?}");
    }
}

//! One virtual service: its servers together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_ipvs::{Destination, DestinationKey, Forward, IpFamily, Service, ServiceKey, Weight};

use super::drain::Leaving;
use super::interface::{Event, Slot};
use super::server::{Found, Server, destination};
use crate::overrides::ServerWish;
use crate::site::{OnFailure, Quorum, Site, Sorry, VirtualService};

/// Whether a service has servers enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuorumState {
    /// It has.
    Held,
    /// It has not.
    Lost,
    /// The first round of checks is not over.
    Unknown,
}

/// What a pool was made of is there: a handle of its own would have to be counted, in memory that processes share until one
/// of them writes.
#[derive(Clone)]
pub(super) struct Origin {
    site: Arc<Site>,
    place: usize,
}

impl Origin {
    pub(super) fn new(site: &Arc<Site>, place: usize) -> Self {
        let site = Arc::clone(site);
        Self { site, place }
    }

    pub(super) fn config(&self) -> Option<&Arc<VirtualService>> {
        self.site.services.get(self.place)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin").field(&self.config()).finish()
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) origin: Origin,
    pub(super) name: Arc<str>,
    pub(super) servers: Vec<Server>,
    /// Servers that the configuration no longer has.
    pub(super) leaving: Vec<Leaving>,
    pub(super) sorry: Option<Sorry>,
    /// An earlier run had left the service to the sorry server.
    sorry_inherited: bool,
    pub(super) on_failure: OnFailure,
    pub(super) drain_timeout: Duration,
    pub(super) quorum: Quorum,
    pub(super) state: QuorumState,
    /// The first state has been told.
    announced: bool,
    /// When the first round of checks counts as over at the latest; `None`: it is.
    pub(super) settles: Option<Instant>,
    /// Of the servers in service.
    pub(super) weight: u64,
    /// Checks without a result.
    pub(super) unreported: usize,
}

impl Pool {
    pub(super) fn new(
        now: Instant,
        origin: Origin,
        config: &VirtualService,
        settles: Instant,
        found: impl Fn(&[Service], &Destination) -> Found,
        wish: impl Fn(&str) -> Option<ServerWish>,
        mut slot: impl FnMut() -> Slot,
    ) -> Self {
        let until = deadline(now, config.drain_timeout);
        let servers = config.servers.iter().map(|one| {
            let found = found(&config.kernel, &destination(one));
            let mut server = Server::new(now, one, config.initial, found, &mut slot);
            server.wish = wish(&one.name);
            server.assign(now, until, found);
            server
        });
        let servers: Vec<Server> = servers.collect();
        let sorry_found = config.sorry.is_some_and(|sorry| {
            let entry = Destination::new(sorry.address, sorry.forward);
            found(&config.kernel, &entry) == Found::Serving
        });
        let mut pool = Self {
            origin,
            name: config.name.as_str().into(),
            sorry_inherited: sorry_found && !servers.iter().any(Server::in_service),
            servers,
            leaving: Vec::new(),
            sorry: config.sorry,
            on_failure: config.on_failure,
            drain_timeout: config.drain_timeout,
            quorum: config.quorum,
            state: QuorumState::Unknown,
            announced: false,
            settles: Some(settles),
            weight: 0,
            unreported: 0,
        };
        pool.reckon();
        pool
    }

    /// Services of the kernel, all with the same servers.
    pub(super) fn kernel(&self) -> &[Service] {
        self.origin.config().map_or(&[], |config| &config.kernel)
    }

    /// Adds up anew what is otherwise kept up to date.
    pub(super) fn reckon(&mut self) {
        self.weight = self.servers.iter().map(Server::counted).sum();
        self.unreported = self.servers.iter().map(Server::unreported).sum();
    }

    /// Decides on the quorum, and tells a change of it once the first round of checks is over.
    pub(super) fn decide(&mut self, now: Instant) -> Option<Event> {
        if self.unreported == 0 || self.settles.is_some_and(|at| at <= now) {
            self.settles = None;
        }
        let settled = self.settles.is_none();
        let was = self.state;
        self.state = self.next_state(settled);
        if !settled || (self.announced && self.state == was) {
            return None;
        }
        let first = !std::mem::replace(&mut self.announced, true);
        let (service, weight) = (Arc::clone(&self.name), self.weight);
        match self.state {
            QuorumState::Held => Some(Event::QuorumGained {
                service,
                weight,
                first,
            }),
            QuorumState::Lost => Some(Event::QuorumLost {
                service,
                weight,
                first,
            }),
            QuorumState::Unknown => None,
        }
    }

    /// Without a history, in the middle of the hysteresis, the plain weight decides. With nothing in service there is
    /// no quorum, however wide the hysteresis.
    fn next_state(&self, settled: bool) -> QuorumState {
        let (middle, play) = (
            self.quorum.weight.get().into(),
            self.quorum.hysteresis.into(),
        );
        let gained = self.weight >= u64::saturating_add(middle, play);
        let lost = self.weight < u64::saturating_sub(middle, play).max(1);
        match (self.state, settled) {
            (QuorumState::Unknown | QuorumState::Lost, _) if gained => QuorumState::Held,
            (QuorumState::Unknown, false) => QuorumState::Unknown,
            (QuorumState::Unknown, true) if self.weight >= middle => QuorumState::Held,
            (QuorumState::Unknown, true) => QuorumState::Lost,
            (QuorumState::Held, true) if lost => QuorumState::Lost,
            (QuorumState::Held, false) if lost => QuorumState::Unknown,
            (state @ (QuorumState::Held | QuorumState::Lost), _) => state,
        }
    }

    /// Alone: the servers that are left keep their connections, and get no new ones.
    pub(super) const fn sorry_serves(&self) -> bool {
        self.sorry.is_some()
            && match self.state {
                QuorumState::Held => false,
                QuorumState::Lost => true,
                QuorumState::Unknown => self.sorry_inherited,
            }
    }

    pub(super) fn entry(&self, server: &Server) -> Option<Weight> {
        let weight = server.entry(self.on_failure)?;
        Some(if self.sorry_serves() {
            Weight::ZERO
        } else {
            weight
        })
    }

    /// What should be in each of its services of the kernel. Of two entries for one place, the first counts.
    pub(super) fn destinations(&self) -> Vec<Destination> {
        let sorry = self.sorry.filter(|_| self.sorry_serves());
        let sorry = sorry.map(|sorry| Destination::new(sorry.address, sorry.forward));
        let servers = self.servers.iter().filter_map(|server| {
            self.entry(server)
                .map(|weight| server.destination.weight(weight))
        });
        let leaving = self.leaving.iter().map(|one| one.destination);
        sorry.into_iter().chain(servers).chain(leaving).collect()
    }
}

/// Those of `all` that a service can have: of its IP version, or tunnelled, and each place once.
pub(super) fn fitting(
    key: &ServiceKey,
    all: &[Destination],
) -> BTreeMap<DestinationKey, Destination> {
    let mut fitting = BTreeMap::new();
    for destination in all {
        let tunnel = matches!(destination.forward(), Forward::Tunnel(_));
        if tunnel || IpFamily::from(destination.address()) == key.family() {
            fitting.entry(destination.key(key)).or_insert(*destination);
        }
    }
    fitting
}

/// `None`: there is no time to drain.
pub(super) fn deadline(now: Instant, timeout: Duration) -> Option<Instant> {
    (!timeout.is_zero()).then(|| now + timeout)
}

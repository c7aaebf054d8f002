//! One virtual service: its servers together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use locum_ipvs::{Destination, DestinationKey, Forward, IpFamily, Service, ServiceKey, Weight};

use super::drain::Leaving;
use super::interface::{Event, Slot};
use super::server::{Found, Server, destination};
use crate::overrides::ServerWish;
use crate::site::{RealServer, VirtualService};

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

/// What is known of a service beside its configuration. That is not in here, nor a handle to it: one would have to be
/// counted, in memory that processes share until one of them writes.
#[derive(Debug)]
pub(super) struct Pool {
    /// Each in its place in the configuration.
    pub(super) servers: Box<[Server]>,
    /// Servers that the configuration no longer has.
    pub(super) leaving: Vec<Leaving>,
    /// An earlier run had left the service to the sorry server.
    sorry_inherited: bool,
    pub(super) state: QuorumState,
    /// The state that has been told last.
    told: Option<QuorumState>,
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
            server.change(|extra| extra.wish = wish(&one.name));
            server.assign(now, until, one.admin, found);
            server
        });
        let servers: Box<[Server]> = servers.collect();
        let sorry_found = config.sorry.is_some_and(|sorry| {
            let entry = Destination::new(sorry.address, sorry.forward);
            found(&config.kernel, &entry) == Found::Serving
        });
        let mut pool = Self {
            sorry_inherited: sorry_found && !servers.iter().any(Server::in_service),
            servers,
            leaving: Vec::new(),
            state: QuorumState::Unknown,
            told: None,
            settles: Some(settles),
            weight: 0,
            unreported: 0,
        };
        pool.reckon(config);
        pool
    }

    /// Its servers with what the configuration says of them.
    pub(super) fn servers<'a>(
        &'a self,
        config: &'a VirtualService,
    ) -> impl Iterator<Item = (&'a RealServer, &'a Server)> {
        config.servers.iter().zip(&self.servers)
    }

    /// Adds up anew what is otherwise kept up to date.
    pub(super) fn reckon(&mut self, config: &VirtualService) {
        let servers = self.servers(config);
        self.weight = servers.map(|(one, server)| server.counted(one)).sum();
        self.unreported = self.servers.iter().map(Server::unreported).sum();
    }

    /// Decides on the quorum, and tells a change of it once the first round of checks is over.
    pub(super) fn decide(&mut self, now: Instant, config: &VirtualService) -> Option<Event> {
        self.settle(now, config);
        self.tell(config)
    }

    /// Decides on the quorum.
    pub(super) fn settle(&mut self, now: Instant, config: &VirtualService) {
        if self.unreported == 0 || self.settles.is_some_and(|at| at <= now) {
            self.settles = None;
        }
        self.state = self.next_state(config);
    }

    /// What is to be told of the quorum.
    pub(super) fn tell(&mut self, config: &VirtualService) -> Option<Event> {
        if self.settles.is_some() || self.told == Some(self.state) {
            return None;
        }
        let first = self.told.replace(self.state).is_none();
        let (service, weight) = (config.name.as_str().into(), self.weight);
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
    fn next_state(&self, config: &VirtualService) -> QuorumState {
        let quorum = &config.quorum;
        let (middle, play) = (quorum.weight.get().into(), quorum.hysteresis.into());
        let gained = self.weight >= u64::saturating_add(middle, play);
        let lost = self.weight < u64::saturating_sub(middle, play).max(1);
        match (self.state, self.settles.is_none()) {
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
    pub(super) const fn sorry_serves(&self, config: &VirtualService) -> bool {
        config.sorry.is_some()
            && match self.state {
                QuorumState::Held => false,
                QuorumState::Lost => true,
                QuorumState::Unknown => self.sorry_inherited,
            }
    }

    pub(super) fn entry(
        &self,
        config: &VirtualService,
        one: &RealServer,
        server: &Server,
    ) -> Option<Weight> {
        let weight = server.entry(one, config.on_failure)?;
        Some(if self.sorry_serves(config) {
            Weight::ZERO
        } else {
            weight
        })
    }

    /// What should be in each of its services of the kernel. Of two entries for one place, the first counts.
    pub(super) fn destinations(&self, config: &VirtualService) -> Vec<Destination> {
        let sorry = config.sorry.filter(|_| self.sorry_serves(config));
        let sorry = sorry.map(|sorry| Destination::new(sorry.address, sorry.forward));
        let servers = self.servers(config).filter_map(|(one, server)| {
            let weight = self.entry(config, one, server)?;
            Some(destination(one).weight(weight))
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

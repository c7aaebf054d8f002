//! What the pools tell about themselves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_ipvs::{Service, ServiceKey, Weight};

use super::Pools;
use super::drain::Leaving;
use super::interface::Reason;
use super::server::{Connections, Duty, Server, Standing};
use super::service::{Pool, QuorumState};
use crate::site::{Quorum, VirtualService};

/// One virtual service.
#[derive(Debug, Clone)]
pub(crate) struct PoolReport {
    /// Its name.
    pub(crate) service: Arc<str>,
    /// Its services of the kernel.
    pub(crate) kernel: Vec<ServiceKey>,
    /// Whether it has servers enough.
    pub(crate) state: QuorumState,
    /// When that is so.
    pub(crate) quorum: Quorum,
    /// The weight of its servers in service.
    pub(crate) weight: u64,
    /// The sorry server.
    pub(crate) sorry: Option<SorryReport>,
    /// Its servers, in the order of the file; then those that the file no longer has.
    pub(crate) servers: Vec<ServerReport>,
}

/// A sorry server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SorryReport {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// Whether it serves, alone.
    pub(crate) serves: bool,
}

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct ServerReport {
    /// Its name.
    pub(crate) server: Arc<str>,
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// What it is.
    pub(crate) state: ServerState,
    /// The weight that it has in the table; `None`: it is not there.
    pub(crate) weight: Option<Weight>,
    /// Which check fails.
    pub(crate) reason: Option<Reason>,
    /// How long it has been up, down, unknown, draining, drained or in maintenance.
    pub(crate) for_time: Duration,
    /// Its connections when the kernel's table was last read.
    pub(crate) connections: Connections,
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerState {
    /// Nothing is known yet.
    Checking,
    /// Down.
    Down,
    /// Taken out by the administrator.
    Drained,
    /// Finishing its connections.
    Draining,
    /// Down, but in service as it was since many failed together.
    Held,
    /// Taken out by the operator at once, for now.
    Maintenance,
    /// Up.
    Up,
}

impl Pools {
    /// All services, in the order of the file; then those that the file no longer has and that drain.
    pub(crate) fn report(&self, now: Instant) -> Vec<PoolReport> {
        let pools = self.each().map(|(config, pool)| pool.report(now, config));
        let departing = self.departing.values().map(|one| PoolReport {
            service: Arc::clone(&one.owner),
            kernel: vec![*one.service.key()],
            state: QuorumState::Lost,
            quorum: Quorum::default(),
            weight: 0,
            sorry: None,
            servers: one.servers.iter().map(|s| s.report(now)).collect(),
        });
        pools.chain(departing).collect()
    }
}

impl Pool {
    fn report(&self, now: Instant, config: &VirtualService) -> PoolReport {
        let servers = self.servers(config).map(|(one, server)| ServerReport {
            server: Arc::clone(&one.name),
            address: one.address(),
            state: server.state(),
            weight: self.entry(config, one, server),
            reason: server.reason(one),
            for_time: now.saturating_duration_since(server.since),
            connections: server.extra().connections,
        });
        let leaving = self.leaving.iter().map(|one| one.report(now));
        PoolReport {
            service: config.name.as_str().into(),
            kernel: config.kernel.iter().map(Service::key).copied().collect(),
            state: self.state,
            quorum: config.quorum,
            weight: self.weight,
            sorry: config.sorry.map(|sorry| SorryReport {
                address: sorry.address,
                serves: self.sorry_serves(config),
            }),
            servers: servers.chain(leaving).collect(),
        }
    }
}

impl Server {
    fn state(&self) -> ServerState {
        let extra = self.extra();
        match (extra.duty, self.standing()) {
            (Duty::Drained, _) => ServerState::Drained,
            (Duty::Draining { .. }, _) => ServerState::Draining,
            (Duty::Maintenance, _) => ServerState::Maintenance,
            (Duty::Ready, Standing::Checking) => ServerState::Checking,
            (Duty::Ready, Standing::Down) if extra.held => ServerState::Held,
            (Duty::Ready, Standing::Down) => ServerState::Down,
            (Duty::Ready, Standing::Up) => ServerState::Up,
        }
    }
}

impl Leaving {
    fn report(&self, now: Instant) -> ServerReport {
        ServerReport {
            server: Arc::clone(&self.name),
            address: self.address,
            state: ServerState::Draining,
            weight: Some(Weight::ZERO),
            reason: None,
            for_time: now.saturating_duration_since(self.since),
            connections: self.connections,
        }
    }
}

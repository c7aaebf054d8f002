//! The part of the status about virtual services.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{ChangeReport, FaultReport};

/// Everything about virtual services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SiteReport {
    /// The kernel's table.
    pub ipvs: IpvsReport,
    /// Counts of the checks since the start, by name.
    pub checks: BTreeMap<String, u64>,
    /// The virtual services, in the order of the configuration.
    pub services: Vec<ServiceReport>,
}

/// The kernel's table, as far as it is this program's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IpvsReport {
    /// Is the table what it should be, as far as is known?
    pub in_step: bool,
    /// Why it is not, and what to do about it.
    pub fault: Option<FaultReport>,
    /// How long ago it was last read back, in milliseconds; absent if it never was.
    pub read_ms_ago: Option<u64>,
    /// The synchronisation daemons that were started here: `master`, `backup` or both.
    pub daemons: Vec<String>,
    /// Counts since the start, by name: `changes`, `drift_repaired`, `plans`, `reads`, `reads_failed`, `refused`.
    pub counters: BTreeMap<String, u64>,
}

/// One virtual service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceReport {
    /// Its name in the configuration.
    pub name: String,
    /// What the kernel calls it: a protocol and address, or a mark, for each of its addresses.
    pub kernel: Vec<String>,
    /// How connections are distributed.
    pub scheduler: String,
    /// Whether it has its quorum.
    pub state: ServiceState,
    /// The weight of its servers that are up.
    pub weight: u64,
    /// The weight that it needs.
    pub quorum: u32,
    /// The sorry server, if it has one.
    pub sorry: Option<SorryReport>,
    /// Its servers, in the order of the configuration, then those that are only finishing their connections.
    pub servers: Vec<ServerReport>,
}

/// Whether a service can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServiceState {
    /// Its servers have not all been checked yet.
    Checking,
    /// It has not got its quorum.
    Down,
    /// It has its quorum.
    Up,
}

/// A sorry server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SorryReport {
    /// Where it is.
    pub address: SocketAddr,
    /// Does it serve now?
    pub active: bool,
}

/// One real server of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerReport {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// What its checks say, or the operator.
    pub state: ServerState,
    /// How long it has been so, in milliseconds.
    pub state_for_ms: u64,
    /// Its weight in the kernel's table; absent if it is not there.
    pub weight: Option<u32>,
    /// Why it is down.
    pub reason: Option<String>,
    /// Connections in use, when the table was last read.
    pub active_connections: u64,
    /// Connections that end, when the table was last read.
    pub inactive_connections: u64,
    /// What the operator changed at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangeReport>,
}

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerState {
    /// Not checked yet.
    Checking,
    /// Its checks fail.
    Down,
    /// The operator has taken it out, and it has finished its connections.
    Drained,
    /// It finishes its connections, and gets no new ones.
    Draining,
    /// Its checks fail, like too many others at the same time: it is kept for now.
    Held,
    /// The operator has taken it out at once; its checks go on.
    Maintenance,
    /// Its checks pass.
    Up,
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Checking => "checking",
            Self::Down => "down",
            Self::Up => "up",
        })
    }
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Checking => "checking",
            Self::Down => "down",
            Self::Drained => "drained",
            Self::Draining => "draining",
            Self::Held => "held",
            Self::Maintenance => "maintenance",
            Self::Up => "up",
        })
    }
}

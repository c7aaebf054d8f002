//! What goes into the pools, and what comes out.

use std::error::Error as _;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use locum_health::{CheckError, Health};
use locum_ipvs::{Snapshot, Weight};

use crate::site::CheckKind;

/// One check of one server. A check that a reload leaves as it was keeps its number; no number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u64);

/// What the pools are told.
#[derive(Debug, Clone)]
pub(crate) enum Input<'a> {
    /// The kernel's table as it was read: how many connections there still are.
    Kernel(&'a Snapshot),
    /// What a check found out. One that is not known, such as that of a server that is gone, changes nothing.
    Report {
        /// Which check.
        slot: Slot,
        /// The state now.
        health: Health,
        /// The weight that the server asks for; `None`: what is configured.
        weight: Option<u32>,
        /// Why it is down.
        error: Option<Arc<CheckError>>,
    },
    /// The time of [`poll_timeout`](super::Pools::poll_timeout) has come.
    Timeout,
}

/// What happened, in order. Servers come up and go down by what their checks say; what is in service is the quorum's
/// and the hold's affair.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A server has finished its connections, or its time for that is over, and is taken out.
    Drained {
        /// The service.
        service: Arc<str>,
        /// The server.
        server: Arc<str>,
        /// Where it is.
        address: SocketAddr,
        /// Which of the two.
        end: DrainEnd,
    },
    /// So many servers failed together that our own network is suspected: they stay as they were for a while.
    HoldBegan {
        /// How many servers that had failed are back in service.
        servers: usize,
        /// The end of the hold.
        until: Instant,
    },
    /// The hold is over.
    HoldEnded {
        /// How many servers were taken out, for they are still down.
        taken: usize,
    },
    /// A service has servers enough.
    QuorumGained {
        /// The service.
        service: Arc<str>,
        /// The weight of its servers in service.
        weight: u64,
        /// Whether this is what the first round of checks found.
        first: bool,
    },
    /// A service has not servers enough.
    QuorumLost {
        /// The service.
        service: Arc<str>,
        /// The weight of its servers in service.
        weight: u64,
        /// Whether this is what the first round of checks found.
        first: bool,
    },
    /// A server is down.
    ServerDown {
        /// The service.
        service: Arc<str>,
        /// The server.
        server: Arc<str>,
        /// Where it is.
        address: SocketAddr,
        /// What failed.
        reason: Option<Reason>,
        /// Whether nothing was known of it before.
        first: bool,
        /// Whether it stays in service all the same, for now, since a hold is on.
        held: bool,
    },
    /// A server is up.
    ServerUp {
        /// The service.
        service: Arc<str>,
        /// The server.
        server: Arc<str>,
        /// Where it is.
        address: SocketAddr,
        /// Whether its first round of checks found it.
        first: bool,
    },
    /// A server that is up asks for another weight.
    WeightChanged {
        /// The service.
        service: Arc<str>,
        /// The server.
        server: Arc<str>,
        /// Where it is.
        address: SocketAddr,
        /// What it had.
        from: Weight,
        /// What it has.
        to: Weight,
    },
}

/// How the draining of a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrainEnd {
    /// No connection is left.
    Empty,
    /// Its time was over; connections may have been cut.
    TimedOut,
}

/// Why a server is down: the first of its checks that fails.
#[derive(Debug, Clone)]
pub(crate) struct Reason {
    /// What kind of check.
    pub(crate) check: &'static str,
    /// Whom it probes.
    pub(crate) target: SocketAddr,
    /// What it found; `None` if it was only presumed to fail.
    pub(crate) error: Option<Arc<CheckError>>,
}

impl Reason {
    pub(super) const fn kind(kind: &CheckKind) -> &'static str {
        match kind {
            CheckKind::Dns(_) => "dns",
            CheckKind::Exec(_) => "exec",
            CheckKind::Http(_) => "http",
            CheckKind::Icmp(_) => "icmp",
            CheckKind::Tcp(_) => "tcp",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} check of {}: ", self.check, self.target)?;
        let Some(error) = &self.error else {
            return f.write_str("not passed yet");
        };
        write!(f, "{error}")?;
        let mut source = error.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

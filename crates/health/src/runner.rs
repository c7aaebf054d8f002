//! Runs many checks at their times, identical ones once.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::check::{CheckError, HealthCheck};
use crate::schedule::Timing;
use crate::tracker::Health;

/// What a probe costs, for the caps on how many are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Packets and plain connections.
    Plain,
    /// TLS handshakes, and programs.
    Expensive,
}

/// What to check, how and how often. Probes that are equal in all but the check itself, whose `identity` stands for
/// it, are run once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Probe {
    /// The server.
    pub target: SocketAddr,
    /// What `check` is, in words: the same text for checks that do the same.
    pub identity: Arc<str>,
    /// The check.
    pub check: Arc<dyn HealthCheck>,
    /// How often.
    pub timing: Timing,
    /// Its cost.
    pub class: Class,
}

/// Who wants to know: a number of the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscriber(pub u64);

/// Somebody's interest in a probe.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Subscription {
    /// Who wants to know. One subscriber has one probe.
    pub subscriber: Subscriber,
    /// What.
    pub probe: Probe,
    /// What is believed before the first result: [`Health::Unknown`], or what was known before a restart.
    pub initial: Health,
}

/// What a check found out, sent when the state or the weight that the server asks for changes, and after the first
/// result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Who wanted to know.
    pub subscriber: Subscriber,
    /// The state now.
    pub health: Health,
    /// The weight that the server asks for.
    pub weight: Option<u32>,
    /// Why it is down.
    pub error: Option<Arc<CheckError>>,
}

//! What a runner tells when asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Subscriber;
use crate::check::CheckError;
use crate::tracker::Health;

/// What became of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Begun.
    pub begun: u64,
    /// Made by the runner itself, with a SYN by a raw socket: see [`HealthCheck::half_open`](crate::HealthCheck::half_open).
    pub half_open: u64,
    /// Passed.
    pub passed: u64,
    /// Failed, whatever way.
    pub failed: u64,
    /// Failed since there was no answer in time; also in `failed`.
    pub timed_out: u64,
    /// Not made since this machine could not: of no account for the server.
    pub local_errors: u64,
    /// Timed out while this program was late itself: of no account for the server.
    pub lagged: u64,
}

/// What is known of a subscriber's probe. The counts and the last probe are shared by all who have the same probe.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriberStatus {
    /// Whose.
    pub subscriber: Subscriber,
    /// The state now.
    pub health: Health,
    /// When it came to that.
    pub since: Instant,
    /// The weight that the server asked for last.
    pub weight: Option<u32>,
    /// Why the last probe did not pass; `None`: it did, or there was none.
    pub error: Option<Arc<CheckError>>,
    /// How long the last probe took that said something of the server.
    pub duration: Option<Duration>,
    /// What became of its probes.
    pub counts: Counts,
}

/// What a runner does and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// What became of all probes since the start.
    pub counts: Counts,
    /// How many subscribers there are.
    pub subscribers: usize,
    /// How many probes there are for them.
    pub probes: usize,
    /// How many are under way.
    pub in_flight: usize,
    /// How many are due and wait, since as many as may are under way.
    pub queued: usize,
    /// By how much the loop was late since the start, summed up.
    pub lag: Duration,
    /// By how much it was late at most.
    pub worst_lag: Duration,
    /// Segments that came to the ports of half-open probes and were no answer that any waited for.
    pub stray_answers: u64,
}

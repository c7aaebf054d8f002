//! What the parent and the side of the virtual routers say to each other. They share nothing else, so they can be
//! threads or processes.

use serde::{Deserialize, Serialize};

use crate::config::Source;
use crate::events::What;
use crate::status::{RouterReport, SyncGroupReport};
use crate::track::Verdict;

/// Told to the side of the virtual routers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Forget what was prepared under this number.
    Abort(u64),
    /// Make what was prepared under this number true: at the start, begin with it. Answered by [`Notice::Committed`].
    Commit {
        number: u64,
        /// Virtual routers that a predecessor was master of until it died.
        adopt: Vec<Adopt>,
    },
    /// Show that the election lives: answered with [`Notice::Hello`] of this number, by the election's own loop.
    Hello(u64),
    /// Find out whether this configuration can be taken, and be ready to. Answered by [`Notice::Prepared`].
    Prepare { number: u64, source: Source },
    /// Answer with [`Notice::Report`] of this number.
    Report(u64),
    /// Hand this virtual router (or every member of its sync group) over, and do not preempt for so long; `None`: as
    /// configured again.
    StandBy { router: String, for_ms: Option<u64> },
    /// Hand everything over, release it, and end.
    Stop,
    /// What is watched for this virtual router amounts to this.
    Track { router: String, verdict: Verdict },
}

/// A mastership that outlives the process that had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Adopt {
    pub(crate) router: String,
    /// When the last advertisement was sent, in nanoseconds of CLOCK_MONOTONIC.
    pub(crate) advertised_ns: u64,
}

/// Told by the side of the virtual routers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// What was prepared under this number is in force, but for routers that still hand over, and what waits for that.
    Committed { number: u64, changes: Vec<String> },
    /// It cannot go on, and why.
    Failed(String),
    /// Something happened.
    Happened(What),
    /// The answer to [`Order::Hello`].
    Hello(u64),
    /// Virtual routers run that had to wait until others had left: they were told nothing yet.
    Joined,
    /// The answer to [`Order::Prepare`]: why it cannot be taken, or in a few words what it would change.
    Prepared {
        number: u64,
        result: Result<Vec<String>, String>,
    },
    /// The answer to [`Order::Report`].
    Report(u64, Box<RoutersReport>),
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RoutersReport {
    pub(crate) routers: Vec<RouterReport>,
    pub(crate) sync_groups: Vec<SyncGroupReport>,
}

//! What the operator can have done at run time.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// A change at run time, as it is sent to the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// What is to be done.
    #[serde(flatten)]
    pub action: Action,
    /// Why, for the log.
    #[serde(default)]
    pub reason: Option<String>,
    /// After how long it lapses, in milliseconds; absent: with the next start, or when it is taken back.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// A server finishes what it has and gets nothing new.
    Drain {
        /// Its service.
        service: String,
        /// Its name or address.
        server: String,
    },
    /// A virtual router, or all of its sync group, is handed over, and does not preempt until that lapses.
    Failover {
        /// The virtual router or sync group.
        router: String,
    },
    /// A server is out at once.
    Maintenance {
        /// Its service.
        service: String,
        /// Its name or address.
        server: String,
    },
    /// A virtual router has another priority.
    Priority {
        /// Which.
        router: String,
        /// From 1 to 254.
        priority: u8,
    },
    /// A server serves when its checks pass: every other change of it is taken back.
    Ready {
        /// Its service.
        service: String,
        /// Its name or address.
        server: String,
    },
    /// The configuration is read again.
    Reload,
    /// Every change of a virtual router or sync group is taken back.
    Restore {
        /// Which.
        router: String,
    },
    /// A server has another weight.
    Weight {
        /// Its service.
        service: String,
        /// Its name or address.
        server: String,
        /// From 0.
        weight: u32,
    },
}

/// Who asks, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: Option<u32>,
    pub(crate) pid: Option<i32>,
}

/// It was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Done {
    /// What changed, in words.
    pub changes: Vec<String>,
}

/// It was not done, and nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// Why, in words for the operator; of a configuration with mistakes, all of them.
    pub error: String,
}

/// The running program, as the control socket needs it.
#[async_trait]
pub(crate) trait Control: Send + Sync + 'static {
    /// What it is doing.
    async fn status(&self) -> Status;
    /// Has something done; returns when it is.
    async fn act(&self, caller: Caller, request: Request) -> Result<Done, Refused>;
}

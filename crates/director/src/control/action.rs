//! What the operator can have done at run time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::report::millis;
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
    /// After how long it lapses, in milliseconds; absent: with the next start, or when it is taken back. A fail-over
    /// that says nothing lapses after five minutes.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

impl Request {
    /// Asks for `action`, without a reason and until it is taken back.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            reason: None,
            for_ms: None,
        }
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Has it lapse after so long.
    #[must_use]
    pub fn lapsing_after(mut self, length: Duration) -> Self {
        self.for_ms = Some(millis(length));
        self
    }
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
        /// From 0, no new connections, to 2147483647.
        weight: u32,
    },
}

impl fmt::Display for Action {
    /// As on the command line of `director`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain { service, server } => write!(f, "drain {service} {server}"),
            Self::Failover { router } => write!(f, "failover {router}"),
            Self::Maintenance { service, server } => write!(f, "maintenance {service} {server}"),
            Self::Priority { router, priority } => write!(f, "priority {router} {priority}"),
            Self::Ready { service, server } => write!(f, "ready {service} {server}"),
            Self::Reload => f.write_str("reload"),
            Self::Restore { router } => write!(f, "restore {router}"),
            Self::Weight {
                service,
                server,
                weight,
            } => write!(f, "weight {service} {server} {weight}"),
        }
    }
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
    /// What changed, in words; nothing if all was so already.
    pub changes: Vec<String>,
}

/// The version of the form of requests and of their answers.
pub(crate) const SCHEMA: u32 = 1;

/// An answer with the version of its form.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a, T> {
    pub(crate) schema: u32,
    #[serde(flatten)]
    pub(crate) answer: &'a T,
}

impl<'a, T> Answer<'a, T> {
    pub(crate) const fn new(answer: &'a T) -> Self {
        Self {
            schema: SCHEMA,
            answer,
        }
    }
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
    /// Has something done; returns when it is. It is done even if nobody waits for it any more.
    async fn act(&self, caller: Caller, request: Request) -> Result<Done, Refused>;
}

//! What the two sides of the program say to each other. They share nothing else, so they can be threads or processes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Draft;
use crate::events::What;
use crate::overrides::ServerOverride;
use crate::status::SiteReport;

/// Told to the checker side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Forget what was prepared under this number.
    Abort(u64),
    /// Take what was prepared under this number in place of what was before. Answered by [`Notice::Committed`].
    Commit(u64),
    /// Show that the loop lives: answered with [`Notice::Hello`] of this number.
    Hello(u64),
    /// Which virtual routers of this machine are master.
    Masters(BTreeMap<String, bool>),
    /// This is all that the operator wants otherwise than the configuration says.
    Override(Vec<ServerOverride>),
    /// Find out whether this configuration can be taken, and be ready to. Answered by [`Notice::Prepared`].
    Prepare { number: u64, draft: Draft },
    /// Answer with [`Notice::Report`] of this number.
    Report(u64),
    /// Stop the synchronisation daemons, deal with the table as configured, and end.
    Stop,
}

/// Told by the checker side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// What was prepared under this number is in force.
    Committed { number: u64, changes: Vec<String> },
    /// Something happened.
    Happened(What),
    /// The answer to [`Order::Hello`].
    Hello(u64),
    /// The answer to [`Order::Prepare`]: why it cannot be taken, or in a few words what it would change.
    Prepared {
        number: u64,
        result: Result<Vec<String>, String>,
    },
    /// The table is programmed and every server has been checked once, or the start must not wait for that any longer.
    Ready,
    /// The answer to [`Order::Report`].
    Report(u64, Box<SiteReport>),
}

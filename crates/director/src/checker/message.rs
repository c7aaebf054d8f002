//! What the two sides of the program say to each other. They share nothing else, so they can be threads or processes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Source;
use crate::status::SiteReport;

/// Told to the checker side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Take these virtual services in place of those before.
    Configure(Source),
    /// Which virtual routers of this machine are master.
    Masters(BTreeMap<String, bool>),
    /// Answer with [`Notice::Report`] of this number.
    Report(u64),
    /// Stop the synchronisation daemons, deal with the table as configured, and end.
    Stop,
}

/// Told by the checker side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// The table is programmed and every server has been checked once, or the start must not wait for that any longer.
    Ready,
    /// The answer to [`Order::Report`].
    Report(u64, Box<SiteReport>),
}

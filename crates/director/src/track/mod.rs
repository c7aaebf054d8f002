//! What is watched for virtual routers, and what it amounts to.

use serde::{Deserialize, Serialize};

/// What everything that is watched for one virtual router amounts to, the operator's changes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// Something without a weight fails: it cannot be master.
    pub(crate) fault: bool,
    /// Its priority with all weights, from 1 to 254; an owner's 255 stays.
    pub(crate) priority: u8,
}

//! What the operator changed at run time, for a time.

use serde::{Deserialize, Serialize};

/// What the operator wants of a server, in place of what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerOverride {
    pub(crate) service: String,
    pub(crate) server: String,
    pub(crate) wish: ServerWish,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerWish {
    /// It finishes what it has, gets nothing new, and is out when that is done.
    Drain,
    /// It is out at once.
    Maintenance,
    /// It serves when its checks pass, though the configuration has it drained.
    Ready,
    /// It has this weight, whatever configuration and checks say.
    Weight(u32),
}

//! What is told to the trackers.

use std::sync::Arc;

use super::settings::{Health, TrackScript};
use crate::programs::Outcome;

/// Something that was found, or that the operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    File {
        name: String,
        content: Content,
    },
    Interface {
        name: String,
        link: LinkState,
    },
    /// The operator's priority for a virtual router; `None`: the configured one again.
    Priority {
        router: String,
        priority: Option<u8>,
    },
    Process {
        name: String,
        running: u32,
    },
    /// A result of a script as it was configured then.
    Script {
        script: Arc<TrackScript>,
        outcome: Outcome,
    },
    Service {
        name: String,
        health: Health,
    },
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Missing,
    Number(i64),
    /// No number, or not to be read, and why. The last number counts on.
    Unreadable(String),
}

/// What an interface is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    Down,
    Missing,
    NoCarrier,
    Up,
}

//! What the parent and the side of the programs say to each other.

use std::path::PathBuf;

use locum_health::exec::User;
use serde::{Deserialize, Serialize};

/// A program to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Whom it runs as; `None`: as this program.
    pub(crate) user: Option<RunAs>,
    /// After so long it is killed, with all of its process group.
    pub(crate) timeout_ms: u64,
}

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunAs {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl From<RunAs> for User {
    fn from(RunAs { uid, gid }: RunAs) -> Self {
        Self { uid, gid }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It ended with this exit code.
    Exited(i32),
    /// It could not be started, and why.
    Failed(String),
    /// A signal ended it.
    Killed,
    /// It had not ended in time, and was killed.
    TimedOut,
}

/// Told to the side of the programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Answered with [`Notice::Hello`] of this number.
    Hello(u64),
    /// Answered with [`Notice::Ended`] of this number.
    Run { number: u64, job: Job },
    /// End; what runs is killed.
    Stop,
}

/// Told by the side of the programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    Ended { number: u64, outcome: Outcome },
    Hello(u64),
}

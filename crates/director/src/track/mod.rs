//! What is watched for virtual routers, and what it amounts to.

mod driver;
mod input;
mod plan;
mod processes;
mod settings;
mod state;
mod trackers;
mod watch;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use self::driver::{Driver, Told};
pub(crate) use self::input::Input;
pub(crate) use self::plan::Plan;
pub use self::settings::{
    Health, Subject, TrackFile, TrackProcess, TrackScript, Tracked, Tracking,
};

/// What everything that is watched for one virtual router amounts to, the operator's changes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// Something without a weight fails: it cannot be master.
    pub(crate) fault: bool,
    /// Its priority with all weights, from 1 to 254; an owner's 255 stays.
    pub(crate) priority: u8,
}

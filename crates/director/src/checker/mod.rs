//! The checker side: it checks the servers and keeps the kernel's IPVS table. It runs on threads of its own, or in a
//! process of its own, and shares nothing with the others but [`message`]s.

mod changes;
mod ending;
mod errand;
mod keeper;
mod ledger;
mod message;
mod notice;
mod opening;
mod probes;
mod record;
mod roles;
mod side;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::Director;

pub(crate) use self::message::{Notice, Order};
pub(crate) use self::opening::Opening;
pub(crate) use self::record::Record;
pub(crate) use self::side::{First, run};

/// What the checker side is told before anything else.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where what must survive a crash is kept.
    pub(crate) state_directory: PathBuf,
    /// What this director is called: it makes the checks of each fall on other moments.
    pub(crate) name: String,
}

impl Options {
    pub(crate) fn of(director: &Director) -> Self {
        Self {
            state_directory: director.state_directory(),
            name: director.name(),
        }
    }

    /// The same for `director child`.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        vec![
            "--name".into(),
            self.name.clone().into(),
            "--state-directory".into(),
            self.state_directory.clone().into(),
        ]
    }
}

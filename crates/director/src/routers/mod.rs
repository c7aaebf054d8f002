//! The side of the virtual routers: elections and addresses. It runs on threads of its own, or in a process of its own,
//! and shares nothing with the others but [`message`]s.

mod agenda;
mod machine;
mod message;
mod news;
mod plan;
mod roll;
mod side;
mod steps;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use self::message::{Adopt, Notice, Order, RoutersReport};
pub(crate) use self::side::run;
use crate::process::Beats;

/// What the side of the virtual routers is told before anything else.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where what must survive a crash is kept.
    pub(crate) state_directory: PathBuf,
    /// To the end of which file the transcript is written.
    pub(crate) record: Option<PathBuf>,
    /// Where masters leave word of it for a successor of this process.
    pub(crate) beats: Option<Beats>,
}

impl Options {
    /// The same for `director child`, without the beats.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![
            "--state-directory".into(),
            self.state_directory.clone().into(),
        ];
        if let Some(record) = &self.record {
            arguments.extend(["--record".into(), record.clone().into()]);
        }
        arguments
    }
}

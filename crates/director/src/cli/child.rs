//! `director child`: a part of the program as a process of its own, started by `director run`.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use tracing::error;

use super::{DONE, FAILED, fail};
use crate::checker::{First, Opening};
use crate::config::{Config, Source};
use crate::logging::{self, LogFormat};
use crate::process::child::{ChildError, Meeting, serve};
use crate::process::{Beats, Listener, Side, Unborn, realtime, socket_path};
use crate::signals::Held;
use crate::words::chain;
use crate::{checker, programs, routers};

/// What a part is told by its parent.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct ChildArguments {
    /// Which part
    #[arg(value_enum)]
    side: Side,
    /// Where it listens for its parent
    #[arg(long)]
    socket: PathBuf,
    /// The process that may connect
    #[arg(long)]
    parent: u32,
    /// Standard input is the table of beats
    #[arg(long)]
    beats: bool,
    /// As of `run`
    #[arg(long)]
    log: Option<String>,
    /// As of `run`
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What this machine is called
    #[arg(long, default_value = "")]
    name: String,
    /// Where what must survive a crash is kept
    #[arg(long, default_value = ".")]
    state_directory: PathBuf,
    /// As of `run`
    #[arg(long)]
    record: Option<PathBuf>,
    /// Real-time priority and locked memory
    #[arg(long)]
    realtime: bool,
}

/// What a forked one is told by its parent.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    arguments: ChildArguments,
}

/// Runs a part in a process that was forked for it.
pub(super) fn live(unborn: Unborn) -> u8 {
    let Some((words, stream)) = unborn.told() else {
        return DONE;
    };
    match Words::try_parse_from(words) {
        Ok(words) => begin(words.arguments, Some(stream)),
        Err(error) => {
            fail(&error, "");
            FAILED
        }
    }
}

/// Whether somebody else has a say in a configuration, who is asked before it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    Others,
    Nobody,
}

/// Runs the checks in a process that was forked by `parent` when that had a log and the configuration.
pub(super) fn live_knowing(
    config: &Config,
    source: &Source,
    say: Say,
    parent: u32,
    mut unborn: Unborn,
    held: Held,
) -> u8 {
    let director = &config.director;
    let path = socket_path(&director.control_socket, Side::Checker);
    let options = checker::Options::of(director);
    // While a predecessor has the table, there is time.
    let listener = match say {
        Say::Nobody => Listener::claim(&path).ok(),
        Say::Others => None,
    };
    let opening = match &listener {
        Some(_) => Opening::of(&options, &config.site),
        None => None,
    };
    unborn.prepared();
    let Some((_, stream)) = unborn.told() else {
        return DONE;
    };
    let meeting = Meeting {
        path,
        parent,
        stream: Some(stream),
        listener: listener.map(Arc::new),
    };
    let first = First {
        config: config.clone(),
        source: source.clone(),
        opening,
    };
    let served = serve_checker(meeting, Some(held), options, Some(first));
    done(Side::Checker, served)
}

pub(super) fn execute(arguments: ChildArguments) -> u8 {
    begin(arguments, None)
}

fn begin(arguments: ChildArguments, stream: Option<UnixStream>) -> u8 {
    match logging::filter(arguments.log.as_deref(), None, 0) {
        Ok(filter) => logging::start(arguments.log_format, filter),
        Err(error) => {
            fail(&error, "");
            return FAILED;
        }
    }
    if arguments.realtime {
        // Before the threads that do the work, which inherit it.
        realtime::begin();
    }
    done(arguments.side, run(arguments, stream))
}

fn done(side: Side, result: Result<(), ChildError>) -> u8 {
    match result {
        Ok(()) => DONE,
        Err(error) => {
            error!("the process of the {side} ends: {}", chain(&error));
            FAILED
        }
    }
}

fn serve_checker(
    meeting: Meeting,
    held: Option<Held>,
    options: checker::Options,
    first: Option<First>,
) -> Result<(), ChildError> {
    serve(meeting, held, |orders, notices| {
        checker::run(options, first, orders, notices);
    })
}

fn run(arguments: ChildArguments, stream: Option<UnixStream>) -> Result<(), ChildError> {
    let ChildArguments {
        side,
        socket,
        parent,
        beats,
        name,
        state_directory,
        record,
        ..
    } = arguments;
    let meeting = Meeting {
        path: socket,
        parent,
        stream,
        listener: None,
    };
    match side {
        Side::Checker => {
            let options = checker::Options {
                state_directory,
                name,
            };
            serve_checker(meeting, None, options, None)
        }
        Side::Programs => serve(meeting, None, |orders, notices| {
            programs::run(programs::Options::default(), orders, notices);
        }),
        Side::Routers => {
            let beats = beats.then(Beats::inherited).transpose();
            let options = routers::Options {
                state_directory,
                record,
                beats: beats.map_err(ChildError::Beats)?,
            };
            serve(meeting, None, |orders, notices| {
                routers::run(options, orders, notices);
            })
        }
    }
}

//! `director run`.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::ValueEnum as _;
use tracing::warn;

use super::child::{self, Say};
use super::source::ReadError;
use super::{DONE, FAILED, INVALID, UNREADABLE, fail, print_error, style};
use crate::config::Source;
use crate::control::ControlError;
use crate::hub::{self, Claim, Mode, Options, RunError};
use crate::logging::{self, LogFormat};
use crate::process::Nursery;

/// What a text has in it that speaks of virtual routers.
const VIRTUAL_ROUTER: &str = "virtual_router";

pub(super) const HELP: &str = "\
Examples:
  director run -c /etc/director/director.toml
  director run -c director.toml --log-format json --log warn

It stays in the foreground and logs to standard error. SIGTERM or SIGINT hands the virtual
addresses over to the other routers and ends; a second one ends at once. SIGHUP reads the
configuration again: what is the same in it goes on untouched. A file with mistakes changes
nothing. [director] takes effect with the next start. It needs CAP_NET_ADMIN and
CAP_NET_RAW, and no other privileges.

Virtual routers, checks and programs have a process each. One that dies or hangs is started
again; the new one carries on with the virtual addresses of which the last was master.

Exit codes: 0 stopped by a signal, 1 it could not start, 2 the configuration has mistakes,
3 it cannot be read.";

/// What `run` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct RunArguments {
    /// The configuration, TOML
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Write what happens to the virtual routers to the end of this file, as a transcript that can be replayed; those in
    /// sync groups are left out
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Run all of it in one process: one that hangs or dies is not replaced then
    #[arg(long)]
    single_process: bool,
    /// How the log is written
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, or a filter as in RUST_LOG
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log more; twice: everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

pub(super) fn execute(arguments: &RunArguments) -> u8 {
    let mut nursery = Nursery::default();
    let read = Source::open(&arguments.config).and_then(|source| {
        // Before more of it is in memory. Where it speaks of none, that process is started when all else is done.
        if !arguments.single_process && source.text.contains(VIRTUAL_ROUTER) {
            nursery.fork_routers(child::live);
        }
        Ok((source.load()?, source))
    });
    let (config, source) = match read {
        Ok(read) => read,
        Err(ReadError::Invalid(diagnostics)) => {
            print_error(&diagnostics.render(style(&io::stderr())));
            return INVALID;
        }
        Err(error) => {
            fail(&error, "");
            return UNREADABLE;
        }
    };
    let environment = std::env::var("RUST_LOG").ok();
    let filter = logging::filter(
        arguments.log.as_deref(),
        environment.as_deref(),
        arguments.verbose,
    );
    let filter = match filter {
        Ok(filter) => {
            let words = filter.to_string();
            logging::start(arguments.log_format, filter);
            words
        }
        Err(error) => {
            fail(
                &error,
                "a filter is a level like `info`, or `warn,locum_vrrp=debug`",
            );
            return FAILED;
        }
    };
    if !config.warnings.is_empty() {
        warn!("{}", config.warnings);
    }
    let append = |file| File::options().append(true).create(true).open(file);
    // The side of the virtual routers opens it again.
    if let Err(error) = arguments.record.as_ref().map(append).transpose() {
        fail(&error, "the file of --record cannot be written");
        return FAILED;
    }
    let mut claim = match Claim::of(&config) {
        Ok(claim) => claim,
        Err(error) => {
            fail(&error, cure(&error));
            return FAILED;
        }
    };
    if !arguments.single_process {
        // Now that there is something for it to know.
        let parent = std::process::id();
        let say = match config.virtual_routers.as_slice() {
            [] => Say::Nobody,
            _ => Say::Others,
        };
        claim = nursery.fork_checker(claim, |claim, unborn| {
            let held = claim.leave_to_parent();
            child::live_knowing(&config, &source, say, parent, unborn, held)
        });
    }
    let options = Options {
        claim,
        config,
        source,
        path: arguments.config.clone(),
        record: arguments.record.clone(),
        nursery,
        mode: if arguments.single_process {
            Mode::SingleProcess
        } else {
            Mode::Processes {
                log: child_log(arguments.log_format, filter),
            }
        },
    };
    match hub::run(options) {
        Ok(_) => DONE,
        Err(error) => {
            fail(&error, cure(&error));
            FAILED
        }
    }
}

/// Has a process log as this one does.
fn child_log(format: LogFormat, filter: String) -> Vec<String> {
    let format = format.to_possible_value();
    let format = format.map(|value| value.get_name().to_owned());
    let format = format.into_iter();
    let format = format.flat_map(|name| ["--log-format".to_owned(), name]);
    ["--log".to_owned(), filter]
        .into_iter()
        .chain(format)
        .collect()
}

fn cure(error: &RunError) -> &'static str {
    match error {
        RunError::Capability(error) => error.cure(),
        RunError::Control(ControlError::InUse(_)) => {
            "see `director status`; a second one needs another control_socket in [director]"
        }
        RunError::Control(ControlError::Directory { .. } | ControlError::Socket { .. }) => {
            "make its directory for this user (in a systemd unit: RuntimeDirectory=director), or set another\n\
             control_socket in [director]"
        }
        RunError::Control(ControlError::NotASocket(_))
        | RunError::Routers(_)
        | RunError::Refused(_)
        | RunError::Died
        | RunError::EventLoop(_) => "",
    }
}

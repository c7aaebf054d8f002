//! `director run`.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use tracing::warn;

use super::source::{self, ReadError};
use super::{DONE, FAILED, INVALID, UNREADABLE, fail, print_error, style};
use crate::control::ControlError;
use crate::logging::{self, LogFormat};
use crate::supervisor::{self, RunError};

pub(super) const HELP: &str = "\
Examples:
  director run -c /etc/director/director.toml
  director run -c director.toml --log-format json --log warn

It stays in the foreground and logs to standard error. SIGTERM or SIGINT hands the virtual
addresses over to the other routers and ends; a second one ends at once. SIGHUP reads the
configuration again: virtual services and their servers change in place, virtual routers
with the next start. A file with mistakes changes nothing. It needs CAP_NET_ADMIN and
CAP_NET_RAW, and no other privileges.

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
    let config = match source::read(&arguments.config) {
        Ok(config) => config,
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
    match filter {
        Ok(filter) => logging::start(arguments.log_format, filter),
        Err(error) => {
            fail(
                &error,
                "a filter is a level like `info`, or `warn,locum_vrrp=debug`",
            );
            return FAILED;
        }
    }
    if !config.warnings.is_empty() {
        warn!("{}", config.warnings);
    }
    let append = |file| File::options().append(true).create(true).open(file);
    let record = match arguments.record.as_ref().map(append).transpose() {
        Ok(record) => record,
        Err(error) => {
            fail(&error, "the file of --record cannot be written");
            return FAILED;
        }
    };
    match supervisor::run(config, &arguments.config, record) {
        Ok(_) => DONE,
        Err(error) => {
            fail(&error, cure(&error));
            FAILED
        }
    }
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
        | RunError::Machine(_)
        | RunError::Start(_)
        | RunError::Add { .. }
        | RunError::Died
        | RunError::EventLoop(_) => "",
    }
}

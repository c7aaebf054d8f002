//! What can go wrong while a laboratory is built or used.

use std::error::Error as StdError;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

/// Why the laboratory could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// A program ran and failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, without the line feed at the end.
        stderr: String,
    },
    /// A program ended that should have gone on.
    #[error("`{program}` ended by itself; it said:\n{log}")]
    Ended {
        /// The program.
        program: String,
        /// What it said.
        log: String,
    },
    /// The kernel refused.
    #[error("cannot {attempt}")]
    Io {
        /// What was attempted, in words.
        attempt: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The host has no port on this LAN.
    #[error("host {host} is not attached to this LAN")]
    NotAttached {
        /// The host's name.
        host: String,
    },
    /// A program that is needed is not there.
    #[error("`{program}` is not installed (Debian's package: {package})")]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// Where Debian has it.
        package: &'static str,
    },
    /// The LAN is a kernel bridge, which forwards faithfully.
    #[error("a bridge cannot impair a link: build the LAN with Lan::relay")]
    NotRelay,
    /// A capability is missing.
    #[error(
        "the laboratory makes network namespaces and interfaces: run as root \
         (missing: {missing}; in a container, start it with --privileged)"
    )]
    Privilege {
        /// The capabilities that are missing.
        missing: String,
    },
    /// A program answered something that is not what it should be.
    #[error("`{command}` answered something unexpected")]
    Unexpected {
        /// The program and its arguments.
        command: String,
        /// What is wrong with the answer.
        #[source]
        source: serde_json::Error,
    },
    /// Something awaited did not happen in time.
    #[error("waited {bound:?} in vain for {awaited}")]
    Timeout {
        /// What was awaited.
        awaited: String,
        /// For how long.
        bound: Duration,
    },
}

impl LabError {
    /// Turns an I/O error into ours, saying what was attempted.
    pub(crate) fn io(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { attempt, source }
    }

    /// The same for the errors of `locum_ipvs`.
    pub(crate) fn ipvs<E: StdError + Send + Sync + 'static>(
        attempt: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            attempt,
            source: io::Error::other(source),
        }
    }

    /// The same for the errors of `nix` and `rustix`.
    pub(crate) fn os<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            attempt,
            source: source.into(),
        }
    }
}

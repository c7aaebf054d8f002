//! Where the control socket of a running director is, and asking it.

use std::io;
use std::path::{Path, PathBuf};

use super::source::{self, ReadError};
use super::{FAILED, INVALID, UNREADABLE, fail, print_error, style};
use crate::client::ClientError;
use crate::config::Director;

/// Which director is asked.
#[derive(Debug, clap::Args)]
pub(super) struct SocketArguments {
    /// The configuration of the director, for where its control socket is
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// Its control socket
    #[arg(long, alias = "control-socket", value_name = "PATH", default_value = Director::CONTROL_SOCKET)]
    socket: PathBuf,
}

impl SocketArguments {
    /// Where it is, or the exit code after the mistakes of the configuration were told.
    pub(super) fn find(&self) -> Result<PathBuf, u8> {
        match self.config.as_deref().map(source::read) {
            None => Ok(self.socket.clone()),
            Some(Ok(config)) => Ok(config.director.control_socket),
            Some(Err(ReadError::Invalid(diagnostics))) => {
                print_error(&diagnostics.render(style(&io::stderr())));
                Err(INVALID)
            }
            Some(Err(error)) => {
                fail(&error, "");
                Err(UNREADABLE)
            }
        }
    }
}

/// Waits for the answer.
pub(super) fn ask<T>(
    socket: &Path,
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ClientError::Connection {
            path: socket.to_owned(),
            source,
        })?;
    runtime.block_on(answer)
}

/// Says why there is no answer, and what to do about it.
pub(super) fn failed(error: &ClientError) -> u8 {
    fail(error, cure(error));
    FAILED
}

pub(super) const fn cure(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotRunning(_) => {
            "start one with `director run -c FILE`; if it has another control_socket, use -c FILE or --socket PATH"
        }
        ClientError::Permission(_) => "ask as its user, as a member of its group, or as root",
        ClientError::Timeout { .. } => "it is stopped or overloaded: see its log",
        ClientError::Connection { .. }
        | ClientError::NotDone(_)
        | ClientError::NotUnderstood(_)
        | ClientError::Refused(_) => "",
    }
}

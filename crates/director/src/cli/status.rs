//! `director status`.

use std::io;
use std::path::PathBuf;

use super::source::{self, ReadError};
use super::{DONE, FAILED, INVALID, UNREADABLE, fail, print, print_error, style};
use crate::client::{self, ClientError};
use crate::config::Director;
use crate::status::Status;
use crate::table;

pub(super) const HELP: &str = "\
Examples:
  director status
  director status --json | jq '.routers[] | select(.state == \"master\") | .name'

Exit codes: 0 it answered, 1 no director is running there or it did not answer, 2 and 3 the
configuration given with -c has mistakes or cannot be read.";

/// What `status` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct StatusArguments {
    /// The configuration of the director, for where its control socket is
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// Its control socket
    #[arg(long, value_name = "PATH", default_value = Director::CONTROL_SOCKET)]
    socket: PathBuf,
    /// Everything, as one JSON object; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &StatusArguments) -> u8 {
    let socket = match arguments.config.as_deref().map(source::read) {
        None => arguments.socket.clone(),
        Some(Ok(config)) => config.director.control_socket,
        Some(Err(ReadError::Invalid(diagnostics))) => {
            print_error(&diagnostics.render(style(&io::stderr())));
            return INVALID;
        }
        Some(Err(error)) => {
            fail(&error, "");
            return UNREADABLE;
        }
    };
    match ask(socket) {
        Ok(status) if arguments.json => match serde_json::to_string_pretty(&status) {
            Ok(json) => {
                print(&format!("{json}\n"));
                DONE
            }
            Err(error) => {
                fail(&error, "");
                FAILED
            }
        },
        Ok(status) => {
            print(&table::render(&status, style(&io::stdout())));
            DONE
        }
        Err(error) => {
            fail(&error, cure(&error));
            FAILED
        }
    }
}

fn ask(socket: PathBuf) -> Result<Status, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ClientError::Connection {
            path: socket.clone(),
            source,
        })?;
    runtime.block_on(client::status(&socket))
}

pub(super) const fn cure(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotRunning(_) => {
            "start one with `director run -c FILE`; if it has another control_socket, use -c FILE or --socket PATH"
        }
        ClientError::Permission(_) => "ask as its user, as a member of its group, or as root",
        ClientError::Timeout { .. } => "it is stopped or overloaded: see its log",
        ClientError::Connection { .. }
        | ClientError::Refused(_)
        | ClientError::NotUnderstood(_) => "",
    }
}

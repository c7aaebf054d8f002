//! `director status`.

use std::io;

use super::socket::{SocketArguments, ask, failed};
use super::{DONE, FAILED, fail, print, style};
use crate::client;
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
    #[command(flatten)]
    place: SocketArguments,
    /// Everything, as one JSON object; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: &StatusArguments) -> u8 {
    let socket = match arguments.place.find() {
        Ok(socket) => socket,
        Err(code) => return code,
    };
    match ask(&socket, client::status(&socket)) {
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
        Err(error) => failed(&error),
    }
}

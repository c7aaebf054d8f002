//! `director events`.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::socket::cure;
use super::source::{self, ReadError};
use super::{DONE, FAILED, INVALID, UNREADABLE, fail, print_error, style};
use crate::client::{self, ClientError, Message};
use crate::config::Director;
use crate::events::{Event, Lost};

pub(super) const HELP: &str = "\
Every event has a number, without gaps, which begins again at 1 with each run of the director; the last
10000 are kept.

Examples:
  director events --follow
  director events --since 1200
  director events --follow --json | jq 'select(.type == \"router-state\")'

Exit codes: 0 it answered, 1 no director is running there, it did not answer, or it ended while it was
followed, 2 and 3 the configuration given with -c has mistakes or cannot be read.";

/// What `events` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct EventsArguments {
    /// The configuration of the director, for where its control socket is
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// Its control socket
    #[arg(long, value_name = "PATH", default_value = Director::CONTROL_SOCKET)]
    socket: PathBuf,
    /// Go on with what happens
    #[arg(short, long)]
    follow: bool,
    /// One JSON object a line; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
    /// Only what came behind the event of this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    since: u64,
}

pub(super) fn execute(arguments: &EventsArguments) -> u8 {
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
    match ask(&socket, arguments) {
        Ok(ControlFlow::Continue(())) if arguments.follow => {
            print_error("director: the director has ended\n");
            FAILED
        }
        Ok(_) => DONE,
        Err(error) => {
            fail(&error, cure(&error));
            FAILED
        }
    }
}

fn ask(socket: &Path, arguments: &EventsArguments) -> Result<ControlFlow<()>, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ClientError::Connection {
            path: socket.to_owned(),
            source,
        })?;
    runtime.block_on(async {
        if arguments.follow {
            let told = |message: &Message| show(&message.data, arguments);
            return client::follow(socket, arguments.since, told).await;
        }
        let target = format!("/api/v1/events?since={}", arguments.since);
        let answer = client::get(socket, &target).await?;
        let lines = String::from_utf8_lossy(&answer);
        for line in lines.lines() {
            if show(line, arguments)
                .map_err(ClientError::NotUnderstood)?
                .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// What a line of the answer can be.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Box<Event>),
    Lost { lost: Lost },
}

/// Prints a line of the answer, until nobody reads any more.
fn show(json: &str, arguments: &EventsArguments) -> io::Result<ControlFlow<()>> {
    let text = if arguments.json {
        format!("{json}\n")
    } else {
        match serde_json::from_str(json)? {
            Line::Event(event) => format!("{event}\n"),
            Line::Lost {
                lost: Lost { from, to },
            } => {
                format!("the events #{from} to #{to} are not kept any more\n")
            }
        }
    };
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    Ok(written.map_or(ControlFlow::Break(()), ControlFlow::Continue))
}

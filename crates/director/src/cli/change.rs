//! The commands that change a running director: `reload`, `drain`, `ready`, `maintenance`, `weight`, `priority`, `failover`
//! and `restore`.

use std::time::Duration;

use serde::Serialize;

use super::socket::{SocketArguments, ask, failed};
use super::{DONE, FAILED, INVALID, print, print_error};
use crate::client::{self, ClientError};
use crate::control::{Action, Answer, Request};

/// What all of them are told.
#[derive(Debug, clap::Args)]
struct Common {
    /// Why, for the log and the status
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    place: SocketArguments,
    /// What changed, or why nothing did, as one JSON object; its field `schema` is the version of the format
    #[arg(long)]
    json: bool,
}

/// What those are told that can lapse.
#[derive(Debug, clap::Args)]
struct Lasting {
    /// After how long it lapses, such as 30m or 2h; without, it lasts until it is taken back or the director ends
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    length: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

/// What `reload` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct ReloadArguments {
    #[command(flatten)]
    common: Common,
}

/// What `drain`, `maintenance` and `ready` are told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct ServerArguments {
    /// The name of the virtual service
    service: String,
    /// The name or the address of the server
    server: String,
    #[command(flatten)]
    lasting: Lasting,
}

/// What `weight` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct WeightArguments {
    /// The name of the virtual service
    service: String,
    /// The name or the address of the server
    server: String,
    /// From 0 (no new connections) to 2147483647
    #[arg(value_parser = clap::value_parser!(u32).range(0..=0x7fff_ffff))]
    weight: u32,
    #[command(flatten)]
    lasting: Lasting,
}

/// What `priority` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct PriorityArguments {
    /// The name of the virtual router
    router: String,
    /// From 1 to 254
    #[arg(value_parser = clap::value_parser!(u8).range(1..=254))]
    priority: u8,
    #[command(flatten)]
    lasting: Lasting,
}

/// What `failover` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct FailoverArguments {
    /// The name of the virtual router, or of a sync group
    router: String,
    /// For how long this machine does not preempt, such as 30m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5m")]
    length: Duration,
    #[command(flatten)]
    common: Common,
}

/// What `restore` is told.
#[derive(Debug, clap::Args)]
#[non_exhaustive]
pub struct RestoreArguments {
    /// The name of the virtual router, or of a sync group
    router: String,
    #[command(flatten)]
    common: Common,
}

pub(super) fn reload(arguments: ReloadArguments) -> u8 {
    ask_for(Action::Reload, arguments.common, None)
}

pub(super) fn drain(arguments: ServerArguments) -> u8 {
    let (service, server) = (arguments.service, arguments.server);
    arguments.lasting.ask_for(Action::Drain { service, server })
}

pub(super) fn maintenance(arguments: ServerArguments) -> u8 {
    let (service, server) = (arguments.service, arguments.server);
    let action = Action::Maintenance { service, server };
    arguments.lasting.ask_for(action)
}

pub(super) fn ready(arguments: ServerArguments) -> u8 {
    let (service, server) = (arguments.service, arguments.server);
    arguments.lasting.ask_for(Action::Ready { service, server })
}

pub(super) fn weight(arguments: WeightArguments) -> u8 {
    let action = Action::Weight {
        service: arguments.service,
        server: arguments.server,
        weight: arguments.weight,
    };
    arguments.lasting.ask_for(action)
}

pub(super) fn priority(arguments: PriorityArguments) -> u8 {
    let (router, priority) = (arguments.router, arguments.priority);
    arguments
        .lasting
        .ask_for(Action::Priority { router, priority })
}

pub(super) fn failover(arguments: FailoverArguments) -> u8 {
    let router = arguments.router;
    ask_for(
        Action::Failover { router },
        arguments.common,
        Some(arguments.length),
    )
}

pub(super) fn restore(arguments: RestoreArguments) -> u8 {
    let router = arguments.router;
    ask_for(Action::Restore { router }, arguments.common, None)
}

impl Lasting {
    fn ask_for(self, action: Action) -> u8 {
        ask_for(action, self.common, self.length)
    }
}

fn ask_for(action: Action, common: Common, length: Option<Duration>) -> u8 {
    let socket = match common.place.find() {
        Ok(socket) => socket,
        Err(code) => return code,
    };
    let mut request = Request::new(action);
    request.reason = common.reason;
    if let Some(length) = length {
        request = request.lapsing_after(length);
    }
    match ask(&socket, client::act(&socket, &request)) {
        Ok(done) if common.json => {
            print_json(&Answer::new(&done));
            DONE
        }
        Ok(done) if done.changes.is_empty() => {
            print("nothing to change: all is so already\n");
            DONE
        }
        Ok(done) => {
            print(&format!("{}\n", done.changes.join("\n")));
            DONE
        }
        Err(ClientError::NotDone(refused)) => {
            if common.json {
                print_json(&Answer::new(&refused));
            } else {
                print_error(&format!("director: {}\n", refused.error.trim_end()));
            }
            if request.action == Action::Reload {
                INVALID
            } else {
                FAILED
            }
        }
        Err(error) => failed(&error),
    }
}

fn print_json(answer: &impl Serialize) {
    match serde_json::to_value(answer) {
        Ok(json) => print(&format!("{json:#}\n")),
        Err(error) => print_error(&format!("director: {error}\n")),
    }
}

pub(super) mod help {
    //! Examples and exit codes of each command.

    macro_rules! codes {
        () => {
            "\n\nExit codes: 0 done, 1 refused, or no director is running there or it did not answer, 2 and 3 the\n\
             configuration given with -c has mistakes or cannot be read."
        };
    }

    pub(in super::super) const RELOAD: &str = "\
Examples:
  director reload
  director reload --reason 'new servers' --json

It returns when the configuration is in force, and tells what changed. A file with mistakes changes
nothing; they are shown here. `systemctl reload director` and SIGHUP do the same, and tell the log.

Exit codes: 0 it is in force, 1 no director is running there or it did not answer, 2 the
configuration was refused and all goes on as it was, 3 the one given with -c cannot be read.";

    pub(in super::super) const DRAIN: &str = concat!(
        "\
Examples:
  director drain web r1
  director drain web 192.0.2.21:80 --for 2h --reason 'kernel update'

The server gets no new connections. When those that it has are over, or after the drain_timeout of
its service, it is taken out. `director ready` takes this back. The last change of a server holds.",
        codes!()
    );

    pub(in super::super) const MAINTENANCE: &str = concat!(
        "\
Examples:
  director maintenance web r1
  director maintenance web r1 --for 30m --reason 'disk is failing'

The server is taken out at once, and its connections are cut: `director drain` spares them. Its
checks go on. `director ready` takes this back. The last change of a server holds.",
        codes!()
    );

    pub(in super::super) const READY: &str = concat!(
        "\
Examples:
  director ready web r1
  director ready web r3 --for 1h --reason 'tonight it has to help'

It takes back what drain, maintenance and weight have changed: the server serves when its checks pass.
One that the configuration drains serves all the same, until --for is over.",
        codes!()
    );

    pub(in super::super) const WEIGHT: &str = concat!(
        "\
Examples:
  director weight web r1 10
  director weight web r1 0 --for 15m --reason 'too slow'

This weight comes before that of the configuration and of checks. `director ready` takes it back. The
last change of a server holds.",
        codes!()
    );

    pub(in super::super) const PRIORITY: &str = concat!(
        "\
Examples:
  director priority web 90
  director priority web 200 --for 1h --reason 'lb-b is being tested'

What is watched with a weight still adds to it or takes from it. Of a sync group, change all members.
`director restore` takes this back.",
        codes!()
    );

    pub(in super::super) const FAILOVER: &str = concat!(
        "\
Examples:
  director failover web
  director failover site --for 1h --reason 'kernel update'

The other machine takes over without a gap, and this one does not preempt until --for is over, or it
would bounce back. If the other one dies meanwhile, this one takes over all the same. A member of a
sync group hands over all of it. `director restore` takes this back.",
        codes!()
    );

    pub(in super::super) const RESTORE: &str = concat!(
        "\
Examples:
  director restore web
  director restore site --reason 'update is done'

It takes back what priority and failover have changed.",
        codes!()
    );
}

#[cfg(test)]
mod tests;

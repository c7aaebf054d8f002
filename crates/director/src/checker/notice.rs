//! What happens to servers and services, told to the log and to the operator's programs.

use tracing::{debug, info, warn};

use crate::clock;
use crate::notify::Notifier;
use crate::pool::{DrainEnd, Event};
use crate::site::{Notify, Site, VirtualService};
use crate::words::brief;

/// Writes down what happened. What the first round of checks finds is no news: of that only what is missing is.
pub(super) fn log(event: &Event) {
    match event {
        Event::Drained {
            service,
            server,
            address,
            end,
        } => match end {
            DrainEnd::Empty => info!(
                %service, %server, %address,
                "{server} of {service} has finished its connections and is taken out"
            ),
            DrainEnd::TimedOut => info!(
                %service, %server, %address,
                "{server} of {service} has had its time to finish its connections and is taken out"
            ),
        },
        Event::HoldBegan { servers, until } => {
            let length = brief(until.saturating_duration_since(clock::now()));
            warn!(
                servers,
                "so many servers failed together that this machine's own network is suspected: {servers} that failed stay in service for {length}. \
                 Cure: look at the interfaces and routes of this machine"
            );
        }
        Event::HoldEnded { taken } => match taken {
            0 => info!("the servers that had failed together are up again"),
            _ => warn!(
                taken,
                "{taken} servers that failed together are still down and are taken out"
            ),
        },
        Event::QuorumGained {
            service,
            weight,
            first,
        } => {
            if *first {
                info!(%service, weight, "{service} is up with a weight of {weight}");
            } else {
                info!(%service, weight, "{service} has its quorum again, with a weight of {weight}");
            }
        }
        Event::QuorumLost {
            service,
            weight,
            first,
        } => {
            let lost = if *first { "has not got" } else { "has lost" };
            warn!(%service, weight, "{service} {lost} its quorum: its servers that are up have a weight of {weight}");
        }
        Event::ServerDown {
            service,
            server,
            address,
            reason,
            first,
            held,
        } => {
            let why = reason
                .as_ref()
                .map_or_else(String::new, |reason| format!(": {reason}"));
            let state = if *first {
                "is down from the start"
            } else {
                "is down"
            };
            let held = if *held {
                "; it stays in service for now"
            } else {
                ""
            };
            warn!(%service, %server, %address, "{server} of {service} {state}{why}{held}");
        }
        Event::ServerUp {
            service,
            server,
            address,
            first,
        } => {
            if *first {
                debug!(%service, %server, %address, "{server} of {service} is up");
            } else {
                info!(%service, %server, %address, "{server} of {service} is up again");
            }
        }
        Event::WeightChanged {
            service,
            server,
            address,
            from,
            to,
        } => info!(
            %service, %server, %address,
            "{server} of {service} asks for the weight {}, it had {}", to.get(), from.get()
        ),
    }
}

/// Has the programs run that the configuration names for it.
pub(super) fn notify(event: &Event, site: &Site, notifier: &mut Notifier) {
    let named = |name: &str| site.services.iter().find(|service| service.name == name);
    match event {
        Event::QuorumGained { service, .. } | Event::QuorumLost { service, .. } => {
            let gained = matches!(event, Event::QuorumGained { .. });
            if let Some(found) = named(service) {
                let object = format!("service {service}");
                let what = ["service", service, if gained { "up" } else { "down" }];
                run(&found.notify, gained, &object, &what, notifier);
            }
        }
        Event::ServerUp {
            service, server, ..
        }
        | Event::ServerDown {
            service, server, ..
        } => {
            let up = matches!(event, Event::ServerUp { .. });
            let of = |found: &VirtualService| {
                let mut servers = found.servers.iter();
                let server = servers.find(|one| one.name == *server);
                server.map(|server| server.notify.clone())
            };
            if let Some(programs) = named(service).and_then(of) {
                let object = format!("server {service} {server}");
                let what = ["server", service, server, if up { "up" } else { "down" }];
                run(&programs, up, &object, &what, notifier);
            }
        }
        Event::Drained { .. }
        | Event::HoldBegan { .. }
        | Event::HoldEnded { .. }
        | Event::WeightChanged { .. } => {}
    }
}

fn run(programs: &Notify, up: bool, object: &str, what: &[&str], notifier: &mut Notifier) {
    let script = if up { &programs.up } else { &programs.down };
    if let Some(script) = script {
        notifier.run(object, script, what);
    }
}

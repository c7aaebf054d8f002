//! What happens to servers and services, told to the log and to everybody else.

use tracing::{debug, info, warn};

use crate::clock;
use crate::events::What;
use crate::pool::{DrainEnd, Event};
use crate::report::millis;
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

/// The same for everybody else.
pub(super) fn what(event: Event) -> What {
    match event {
        Event::Drained {
            service,
            server,
            address,
            end,
        } => What::ServerDrained {
            service: service.to_string(),
            server: server.to_string(),
            address,
            timed_out: end == DrainEnd::TimedOut,
        },
        Event::HoldBegan { servers, until } => What::HoldBegan {
            servers: count(servers),
            for_ms: millis(until.saturating_duration_since(clock::now())),
        },
        Event::HoldEnded { taken } => What::HoldEnded {
            taken: count(taken),
        },
        Event::QuorumGained {
            service,
            weight,
            first,
        } => quorum(&service, true, weight, first),
        Event::QuorumLost {
            service,
            weight,
            first,
        } => quorum(&service, false, weight, first),
        Event::ServerDown {
            service,
            server,
            address,
            reason,
            first,
            held,
        } => What::ServerState {
            service: service.to_string(),
            server: server.to_string(),
            address,
            up: false,
            reason: reason.map(|reason| reason.to_string()),
            first,
            held,
        },
        Event::ServerUp {
            service,
            server,
            address,
            first,
        } => What::ServerState {
            service: service.to_string(),
            server: server.to_string(),
            address,
            up: true,
            reason: None,
            first,
            held: false,
        },
        Event::WeightChanged {
            service,
            server,
            address,
            from,
            to,
        } => What::ServerWeight {
            service: service.to_string(),
            server: server.to_string(),
            address,
            from: from.get(),
            to: to.get(),
        },
    }
}

fn quorum(service: &str, gained: bool, weight: u64, first: bool) -> What {
    What::Quorum {
        service: service.to_owned(),
        gained,
        weight,
        first,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

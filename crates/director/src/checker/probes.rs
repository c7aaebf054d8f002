//! Between the pools, which decide, and the runner, which probes.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::time::Instant;

use locum_health::dns::{DnsCheck, DnsConfigError};
use locum_health::exec::{ExecCheck, ExecConfigError};
use locum_health::http::{HttpCheck, HttpConfigError};
use locum_health::icmp::IcmpCheck;
use locum_health::tcp::{TcpCheck, TcpConfigError};
use locum_health::{Class, HealthCheck, Probe, Report, Subscriber, Subscription, Totals};
use thiserror::Error;

use super::ledger::Ledger;
use crate::pool::{Input, PoolReport, Pools, QuorumState, ServerReport, ServerState, Slot};
use crate::report::millis;
use crate::site::{CheckKind, Site};
use crate::status;

/// Why a server cannot be checked: the files and programs of its check were there when the configuration was read.
#[derive(Debug, Error)]
pub(super) enum BuildError {
    #[error("a check by DNS cannot be made")]
    Dns(#[from] DnsConfigError),
    #[error("a check by a program cannot be made")]
    Exec(#[from] ExecConfigError),
    #[error("a check by HTTP cannot be made")]
    Http(#[from] HttpConfigError),
    #[error("a check by TCP cannot be made")]
    Tcp(#[from] TcpConfigError),
}

/// A check as the runner wants it. Many servers have the same one.
#[derive(Debug, Clone)]
struct Built {
    identity: Arc<str>,
    check: Arc<dyn HealthCheck>,
    class: Class,
}

/// A number that is another one for another director (FNV-1a of its name), so that a pair does not probe in step.
pub(super) fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What the runner has to probe.
pub(super) fn subscriptions(pools: &Pools) -> Result<Vec<Subscription>, BuildError> {
    let mut built: HashMap<Arc<CheckKind>, Built> = HashMap::new();
    let mut subscriptions = Vec::new();
    for (slot, check, health) in pools.checks() {
        let Built {
            identity,
            check: how,
            class,
        } = match built.entry(Arc::clone(&check.kind)) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => entry.insert(build(&check.kind)?).clone(),
        };
        let probe = Probe::new(check.target, identity, how, *check.timing).class(class);
        subscriptions.push(Subscription::new(Subscriber(slot.0), probe).initial(health));
    }
    Ok(subscriptions)
}

/// Whether a check is made of files, which may be others than when it was made.
pub(super) fn have_files(pools: &Pools) -> bool {
    pools.checks().any(|(_, check, _)| match &*check.kind {
        CheckKind::Dns(_) | CheckKind::Icmp(_) => false,
        CheckKind::Exec(_) => true,
        CheckKind::Http(config) => config.tls.is_some(),
        CheckKind::Tcp(config) => config.tls.is_some(),
    })
}

fn build(kind: &CheckKind) -> Result<Built, BuildError> {
    let (check, class): (Arc<dyn HealthCheck>, _) = match kind {
        CheckKind::Dns(config) => (Arc::new(DnsCheck::new(config.clone())?), Class::Plain),
        CheckKind::Exec(config) => (Arc::new(ExecCheck::new(config.clone())?), Class::Expensive),
        CheckKind::Http(config) => {
            let class = class(config.tls.is_some());
            (Arc::new(HttpCheck::new(config.clone())?), class)
        }
        CheckKind::Icmp(config) => (Arc::new(IcmpCheck::new(config.clone())), Class::Plain),
        CheckKind::Tcp(config) => {
            let class = class(config.tls.is_some());
            (Arc::new(TcpCheck::new(config.clone())?), class)
        }
    };
    Ok(Built {
        identity: format!("{kind:?}").into(),
        check,
        class,
    })
}

const fn class(tls: bool) -> Class {
    if tls { Class::Expensive } else { Class::Plain }
}

/// What the pools are told of a check.
pub(super) fn input(report: &Report) -> Input<'static> {
    Input::Report {
        slot: Slot(report.subscriber.0),
        health: report.health,
        weight: report.weight,
        error: report.error.clone(),
    }
}

/// The status of the whole.
pub(super) fn report(
    now: Instant,
    site: &Site,
    pools: &Pools,
    totals: Totals,
    ledger: &Ledger,
) -> status::SiteReport {
    let schedulers: BTreeMap<&str, String> = site
        .services
        .iter()
        .filter_map(|service| {
            let kernel = service.kernel.first()?;
            Some((service.name.as_str(), kernel.scheduler().to_string()))
        })
        .collect();
    let services = pools.report(now).into_iter().map(|report| {
        let scheduler = schedulers.get(&*report.service).cloned();
        service(report, scheduler.unwrap_or_default())
    });
    status::SiteReport {
        ipvs: ledger.report(now),
        checks: counters(totals),
        services: services.collect(),
    }
}

fn service(report: PoolReport, scheduler: String) -> status::ServiceReport {
    status::ServiceReport {
        name: report.service.to_string(),
        kernel: report.kernel.iter().map(ToString::to_string).collect(),
        scheduler,
        state: match report.state {
            QuorumState::Held => status::ServiceState::Up,
            QuorumState::Lost => status::ServiceState::Down,
            QuorumState::Unknown => status::ServiceState::Checking,
        },
        weight: report.weight,
        quorum: report.quorum.weight.get(),
        sorry: report.sorry.map(|sorry| status::SorryReport {
            address: sorry.address,
            active: sorry.serves,
        }),
        servers: report.servers.into_iter().map(server).collect(),
    }
}

fn server(report: ServerReport) -> status::ServerReport {
    status::ServerReport {
        name: report.server.to_string(),
        address: report.address,
        state: match report.state {
            ServerState::Checking => status::ServerState::Checking,
            ServerState::Down => status::ServerState::Down,
            ServerState::Drained => status::ServerState::Drained,
            ServerState::Draining => status::ServerState::Draining,
            ServerState::Held => status::ServerState::Held,
            ServerState::Maintenance => status::ServerState::Maintenance,
            ServerState::Up => status::ServerState::Up,
        },
        state_for_ms: millis(report.for_time),
        weight: report.weight.map(locum_ipvs::Weight::get),
        reason: report.reason.map(|reason| reason.to_string()),
        active_connections: report.connections.active,
        inactive_connections: report.connections.inactive,
        changed: Vec::new(),
    }
}

fn counters(totals: Totals) -> BTreeMap<String, u64> {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let counts = totals.counts;
    [
        ("begun", counts.begun),
        ("failed", counts.failed),
        ("half_open", counts.half_open),
        ("in_flight", number(totals.in_flight)),
        ("lagged", counts.lagged),
        ("local_errors", counts.local_errors),
        ("passed", counts.passed),
        ("probes", number(totals.probes)),
        ("queued", number(totals.queued)),
        ("stray_answers", totals.stray_answers),
        ("subscribers", number(totals.subscribers)),
        ("timed_out", counts.timed_out),
        ("worst_lag_ms", millis(totals.worst_lag)),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count))
    .collect()
}

//! What became of the work on the kernel's table: counted, told in the log once, and kept for the status.

use std::collections::BTreeMap;
use std::time::Instant;

use locum_ipvs::{ApplyError, Op, QueryError, SyncDaemon};
use tracing::{debug, error, info, warn};

use super::keeper::{DaemonError, Outcome};
use crate::report::millis;
use crate::status::{FaultReport, IpvsReport};
use crate::words::chain;

/// So many changes are spelt out in a line of the log.
const FEW: usize = 5;

/// What is wrong with IPVS here, for as long as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    kind: &'static str,
    message: String,
    cure: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    table: Option<Fault>,
    daemons: Option<Fault>,
    running: Vec<String>,
    programmed: bool,
    read_at: Option<Instant>,
    last_drift: Vec<Op>,
    changes: u64,
    drift_repaired: u64,
    plans: u64,
    reads: u64,
    reads_failed: u64,
    refused: u64,
}

impl Ledger {
    /// Takes note of what became of the table.
    pub(super) fn table(&mut self, now: Instant, outcome: &Outcome) {
        if outcome.read.is_some() {
            self.reads += 1;
            self.read_at = Some(now);
        }
        if outcome.made > 0 || !outcome.refused.is_empty() {
            self.plans += 1;
        }
        self.changes += count(outcome.made);
        self.refused += count(outcome.refused.len());
        if outcome.is_complete() && outcome.read.is_some() {
            self.drift(&outcome.drift);
        }
        let fault = match (&outcome.unread, outcome.refused.first()) {
            (Some(error), _) => {
                self.reads_failed += 1;
                Some(Fault::unread(error))
            }
            (None, Some((op, error))) => Some(Fault::refused(op, error, outcome.refused.len())),
            (None, None) => None,
        };
        if fault != self.table {
            match &fault {
                Some(fault) => error!("{}. Cure: {}", fault.message, fault.cure),
                None => info!("the kernel's IPVS table is what it should be again"),
            }
        }
        self.programmed |= fault.is_none();
        self.table = fault;
        if outcome.made > 0 {
            debug!(
                changes = outcome.made,
                "the kernel's IPVS table was changed"
            );
        }
    }

    fn drift(&mut self, drift: &[Op]) {
        if drift.is_empty() {
            self.last_drift.clear();
            return;
        }
        self.drift_repaired += count(drift.len());
        let text = few(drift);
        if self.last_drift == drift {
            // Such as an attribute that this kernel does not know.
            debug!(
                changes = drift.len(),
                "the same had to be repaired in the kernel's IPVS table again: {text}"
            );
        } else {
            warn!(
                changes = drift.len(),
                "somebody else had changed the kernel's IPVS table; repaired: {text}"
            );
            self.last_drift = drift.to_vec();
        }
    }

    /// Takes note of what became of the daemons that were `wanted`.
    pub(super) fn daemons(&mut self, wanted: &[SyncDaemon], result: &Result<Vec<Op>, DaemonError>) {
        let fault = match result {
            Ok(made) => {
                for op in made {
                    info!("{}", describe(op));
                }
                self.running = wanted.iter().map(|daemon| role(daemon.role())).collect();
                None
            }
            Err(error) => Some(Fault {
                kind: "sync-daemon",
                message: chain(error),
                cure: "see that the interface of `sync` exists, is up and has an address; it is tried again",
            }),
        };
        if fault != self.daemons
            && let Some(fault) = &fault
        {
            error!("{}. Cure: {}", fault.message, fault.cure);
        }
        self.daemons = fault;
    }

    /// The timeouts were refused.
    pub(super) fn timeouts(error: &ApplyError) {
        warn!(
            "the timeouts of IPVS connections cannot be set: {}",
            chain(error)
        );
    }

    pub(super) fn report(&self, now: Instant) -> IpvsReport {
        let counters = [
            ("changes", self.changes),
            ("drift_repaired", self.drift_repaired),
            ("plans", self.plans),
            ("reads", self.reads),
            ("reads_failed", self.reads_failed),
            ("refused", self.refused),
        ];
        let fault = self.table.as_ref().or(self.daemons.as_ref());
        IpvsReport {
            in_step: self.programmed && self.table.is_none(),
            fault: fault.map(|fault| FaultReport {
                kind: fault.kind.to_owned(),
                message: fault.message.clone(),
                cure: fault.cure.to_owned(),
            }),
            read_ms_ago: self
                .read_at
                .map(|at| millis(now.saturating_duration_since(at))),
            daemons: self.running.clone(),
            counters: counters
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect::<BTreeMap<_, _>>(),
        }
    }
}

impl Fault {
    fn unread(error: &QueryError) -> Self {
        let (kind, cure) = match error {
            QueryError::ModuleMissing => (
                "ipvs-missing",
                "`modprobe ip_vs`, or boot a kernel that has it, such as a distribution's; the virtual routers go on \
                 working, and it is tried again",
            ),
            QueryError::PermissionDenied => (
                "ipvs-permission",
                "give director CAP_NET_ADMIN in the initial user namespace: a container with a user namespace of its \
                 own cannot have it",
            ),
            QueryError::Changing
            | QueryError::Kernel(_)
            | QueryError::Malformed(_)
            | QueryError::NotSent(_)
            | QueryError::ServiceNotFound
            | QueryError::Unanswered
            | _ => ("ipvs-unread", "it is tried again"),
        };
        Self {
            kind,
            message: format!("the kernel's IPVS table cannot be read: {}", chain(error)),
            cure,
        }
    }

    fn refused(op: &Op, error: &ApplyError, count: usize) -> Self {
        let more = match count {
            0 | 1 => String::new(),
            _ => format!(" (and {} changes more)", count - 1),
        };
        Self {
            kind: "ipvs-refused",
            message: format!(
                "the kernel's IPVS table is not what it should be: {}: {}{more}",
                describe(op),
                chain(error)
            ),
            cure: "see `director doctor`; it is tried again",
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn few(ops: &[Op]) -> String {
    let mut texts: Vec<String> = ops.iter().take(FEW).map(describe).collect();
    if ops.len() > FEW {
        texts.push(format!("{} more", ops.len() - FEW));
    }
    texts.join("; ")
}

fn role(role: locum_ipvs::Role) -> String {
    match role {
        locum_ipvs::Role::Backup => "backup".to_owned(),
        locum_ipvs::Role::Master => "master".to_owned(),
    }
}

/// A change in words.
pub(crate) fn describe(op: &Op) -> String {
    match op {
        Op::AddDestination(service, server) => {
            format!("add server {} to {service}", server.key(service))
        }
        Op::AddService(service) => format!("add service {}", service.key()),
        Op::DrainDestination(service, server, _) => format!("drain server {server} of {service}"),
        Op::EditDestination(service, server) => format!(
            "set server {} of {service} to weight {}",
            server.key(service),
            server.settings().weight
        ),
        Op::EditService(service) => format!("change service {}", service.key()),
        Op::Flush => "remove everything".to_owned(),
        Op::RemoveDestination(service, server) => format!("remove server {server} from {service}"),
        Op::RemoveService(service) => format!("remove service {service}"),
        Op::SetTimeouts(_) => "set the timeouts of connections".to_owned(),
        Op::StartDaemon(daemon) => {
            format!("start the {} synchronisation daemon", role(daemon.role()))
        }
        Op::StopDaemon(which) => format!("stop the {} synchronisation daemon", role(*which)),
        Op::Zero(_) => "set counters to zero".to_owned(),
        _ => format!("{op:?}"),
    }
}

#[cfg(test)]
mod tests {
    use locum_ipvs::ServiceKey;

    use super::*;
    use crate::clock;

    fn removals(count: u16) -> Vec<Op> {
        let key = |port| ServiceKey::tcp(([192, 0, 2, 1], port).into());
        (1..=count)
            .map(|port| Op::RemoveService(key(port)))
            .collect()
    }

    #[test]
    fn a_fault_stays_in_the_status_until_it_is_gone() {
        let mut ledger = Ledger::default();
        let now = clock::now();
        assert!(!ledger.report(now).in_step);
        let missing = Outcome {
            unread: Some(QueryError::ModuleMissing),
            ..Outcome::default()
        };
        ledger.table(now, &missing);
        let report = ledger.report(now);
        assert_eq!(report.fault.unwrap().kind, "ipvs-missing");
        assert!(!report.in_step && report.read_ms_ago.is_none());
        assert_eq!(report.counters["reads_failed"], 1);
        let fine = Outcome {
            read: Some(locum_ipvs::Snapshot::default()),
            made: 3,
            ..Outcome::default()
        };
        ledger.table(now, &fine);
        let report = ledger.report(now);
        assert!(report.in_step && report.fault.is_none());
        assert_eq!(
            (report.counters["changes"], report.counters["plans"]),
            (3, 1)
        );
    }

    #[test]
    fn drift_is_counted_each_time() {
        let mut ledger = Ledger::default();
        let now = clock::now();
        for _ in 0..2 {
            let outcome = Outcome {
                read: Some(locum_ipvs::Snapshot::default()),
                drift: removals(2),
                made: 2,
                ..Outcome::default()
            };
            ledger.table(now, &outcome);
        }
        assert_eq!(ledger.report(now).counters["drift_repaired"], 4);
    }

    #[test]
    fn many_changes_are_not_spelt_out() {
        assert_eq!(few(&removals(1)), "remove service tcp 192.0.2.1:1");
        assert!(few(&removals(7)).ends_with("; remove service tcp 192.0.2.1:5; 2 more"));
    }
}

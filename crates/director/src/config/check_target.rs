//! Checks of servers, made from checks as they are written.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use locum_health::Timing;
use locum_health::exec::ExitCode;

use crate::site::{Check, CheckKind, RealServer};

use super::check_socket::Source;
use super::diagnostic::Diagnostic;
use super::section::Report;

/// A check as it is written, for no server in particular.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) kind: Arc<CheckKind>,
    pub(super) timing: Arc<Timing>,
    /// Who is probed instead of the server.
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) source: Option<Source>,
    /// Where it says that it changes the weight.
    pub(super) dynamic_weight: Option<Range<usize>>,
    pub(super) span: Range<usize>,
}

/// Why a check does not fit a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    /// A weight that changes under this scheduler.
    DynamicWeight,
    Family,
    Port,
}

impl Template {
    /// The check of the server at `server`.
    fn check(&self, server: SocketAddr, hashes: Option<&str>) -> Result<Check, Misfit> {
        if hashes.is_some() && self.dynamic_weight.is_some() {
            return Err(Misfit::DynamicWeight);
        }
        let ip = self.address.unwrap_or_else(|| server.ip());
        let port = match self.port {
            Some(port) => port,
            None => server.port(),
        };
        if let Some(source) = &self.source
            && source.ip.is_ipv4() != ip.is_ipv4()
        {
            return Err(Misfit::Family);
        }
        let port = match (&*self.kind, port) {
            (CheckKind::Icmp(_), _) => 0,
            (CheckKind::Exec(_), port) => port,
            (CheckKind::Dns(_) | CheckKind::Http(_) | CheckKind::Tcp(_), 0) => {
                return Err(Misfit::Port);
            }
            (CheckKind::Dns(_) | CheckKind::Http(_) | CheckKind::Tcp(_), port) => port,
        };
        Ok(Check {
            target: SocketAddr::new(ip, port),
            kind: Arc::clone(&self.kind),
            timing: Arc::clone(&self.timing),
        })
    }
}

/// The checks of a server at `server`, whose address is written at `place`, for a service that `hashes` by this
/// scheduler; into `misfits` what does not fit.
pub(super) fn of_server(
    templates: &[Template],
    server: SocketAddr,
    place: &Range<usize>,
    hashes: Option<&str>,
    misfits: &mut Misfits,
) -> Box<[Check]> {
    let mut checks = Vec::with_capacity(templates.len());
    for template in templates {
        match template.check(server, hashes) {
            Ok(check) => checks.push(check),
            Err(misfit) => misfits.add(template, misfit, place),
        }
    }
    checks.into_boxed_slice()
}

/// Checks that do not fit servers: each once, with the first such server, however many there are.
#[derive(Debug, Default)]
pub(super) struct Misfits(BTreeMap<usize, (Misfit, Range<usize>, Range<usize>)>);

impl Misfits {
    fn add(&mut self, template: &Template, misfit: Misfit, server: &Range<usize>) {
        let place = match misfit {
            Misfit::DynamicWeight => template.dynamic_weight.as_ref(),
            Misfit::Family => template.source.as_ref().map(|source| &source.span),
            Misfit::Port => None,
        };
        let place = place.unwrap_or(&template.span).clone();
        self.0
            .entry(place.start)
            .or_insert_with(|| (misfit, place, server.clone()));
    }

    pub(super) fn note(self, report: &mut Report) {
        for (misfit, place, server) in self.0.into_values() {
            let (message, label, related, help) = match misfit {
                Misfit::DynamicWeight => (
                    "a weight that changes does not go with a scheduler that hashes",
                    "would move clients of all servers",
                    "of the service of this server",
                    "remove `dynamic_weight`, or use a scheduler like \"wlc\" or \"wrr\"",
                ),
                Misfit::Family => (
                    "what is probed is of another family than `source`",
                    "another family",
                    "this server, or the `address` that is probed for it",
                    "use a source of the same family, or give such servers a check of their own",
                ),
                Misfit::Port => (
                    "which port is to be probed?",
                    "there is no `port` here",
                    "nor has this server one of its own",
                    "add `port` to the check",
                ),
            };
            let diagnostic = Diagnostic::new(message);
            report.add(
                diagnostic
                    .at(place)
                    .label(label)
                    .related(server, related)
                    .help(help),
            );
        }
    }
}

/// Whether a check of `server` can change its weight.
pub(super) fn changes_weight(server: &RealServer) -> bool {
    server.checks.iter().any(|check| match &*check.kind {
        CheckKind::Exec(exec) => exec.exit_code == ExitCode::Weight,
        CheckKind::Dns(_) | CheckKind::Http(_) | CheckKind::Icmp(_) | CheckKind::Tcp(_) => false,
    })
}

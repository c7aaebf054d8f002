//! `check`: how servers are checked.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use locum_health::exec::ExitCode;
use locum_health::{SocketOptions, Timing};

use crate::site::{Check, CheckKind, RealServer};

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report, Section};
use super::{check_http, check_tcp, endpoint, virtual_router};

pub(super) const TITLE: &str = "this check";
const EXAMPLE: &str = "check = { type = \"tcp\" }";

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST: Duration = Duration::from_millis(10);
const TWO_SECONDS: Duration = Duration::from_secs(2);
const FIVE_SECONDS: Duration = Duration::from_secs(5);

/// The kinds of checks in the file, each distinct one once.
#[derive(Debug, Default)]
pub(super) struct Kinds(HashSet<Arc<CheckKind>>);

impl Kinds {
    fn share(&mut self, kind: CheckKind) -> Arc<CheckKind> {
        if let Some(known) = self.0.get(&kind) {
            return Arc::clone(known);
        }
        let kind = Arc::new(kind);
        self.0.insert(Arc::clone(&kind));
        kind
    }
}

/// A check as it is written, for no server in particular.
#[derive(Debug)]
pub(super) struct Template {
    kind: Arc<CheckKind>,
    timing: Timing,
    address: Option<IpAddr>,
    port: Option<u16>,
    source: Option<(IpAddr, Range<usize>)>,
    dynamic_weight: Option<Range<usize>>,
    span: Range<usize>,
}

/// Why a check does not fit a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    /// A weight that changes under this scheduler.
    DynamicWeight,
    Family,
    Port,
}

/// What `type` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Http,
    Https,
    Tcp,
    Tls,
}

pub(super) const TYPES: [(&str, Type); 4] = [
    ("http", Type::Http),
    ("https", Type::Https),
    ("tcp", Type::Tcp),
    ("tls", Type::Tls),
];

/// Reads one check, or an array of them.
pub(super) fn read(entry: &Entry<'_>, kinds: &mut Kinds, report: &mut Report) -> Vec<Template> {
    let entries = entry.one_or_many();
    entries
        .iter()
        .filter_map(|entry| template(entry, kinds, report))
        .collect()
}

fn template(entry: &Entry<'_>, kinds: &mut Kinds, report: &mut Report) -> Option<Template> {
    let mut section = Section::of(TITLE, EXAMPLE, entry, report)?;
    let span = section.header();
    let mistakes = report.0.len();
    let type_entry = section.require("type", "\"tcp\"", report);
    let kind = type_entry.and_then(|entry| entry.choice(&TYPES, report));
    let timing = timing(&mut section, report);
    let address = section
        .take("address")
        .and_then(|entry| probed_address(&entry, report));
    let port = section
        .take("port")
        .and_then(|entry| entry.number(1..=u16::MAX, report));
    let (socket, source) = socket(&mut section, report);
    // Which other keys there are depends on the type.
    let kind = match kind? {
        Type::Http | Type::Https => {
            check_http::read(&mut section, kind?, socket, report).map(CheckKind::Http)
        }
        Type::Tcp | Type::Tls => {
            check_tcp::read(&mut section, kind?, socket, report).map(CheckKind::Tcp)
        }
    };
    section.finish(report);
    if report.0.len() > mistakes {
        return None;
    }
    Some(Template {
        kind: kinds.share(kind?),
        timing: timing?,
        address,
        port,
        source,
        dynamic_weight: None,
        span,
    })
}

fn probed_address(entry: &Entry<'_>, report: &mut Report) -> Option<IpAddr> {
    let (address, port) = endpoint::server(entry, report)?;
    if port.is_some() {
        let wrong = entry.wrong("the address has a port", "`port` is a key of its own");
        report.add(wrong.help(format!("write address = \"{address}\", port = …")));
        return None;
    }
    Some(address)
}

fn timing(section: &mut Section<'_>, report: &mut Report) -> Option<Timing> {
    let mut time = |key| {
        let entry = section.take(key);
        let value = entry
            .as_ref()
            .map(|entry| entry.duration_within(SHORTEST..=A_DAY, report));
        (entry, value)
    };
    let ((_, interval), (_, fast), (_, down)) = (
        time("interval"),
        time("fast_interval"),
        time("down_interval"),
    );
    let (timeout_entry, timeout) = time("timeout");
    let mut count = |key| {
        let entry = section.take(key);
        entry.map(|entry| NonZeroU32::new(entry.number(1..=1_000, report)?))
    };
    let (rise, fall) = (count("rise"), count("fall"));
    let jitter = section
        .take("jitter_percent")
        .map(|entry| entry.number(0..=50, report));

    let interval = interval.unwrap_or(Some(FIVE_SECONDS))?;
    let fast_interval = fast.unwrap_or(Some(interval))?;
    let down_interval = down.unwrap_or(Some(interval))?;
    let shortest = interval.min(fast_interval).min(down_interval);
    let timeout = timeout.unwrap_or(Some(TWO_SECONDS.min(shortest)))?;
    if let Some(entry) = timeout_entry
        && timeout > shortest
    {
        let shortest = humantime::format_duration(shortest);
        let wrong = entry.wrong(
            "the timeout is longer than an interval",
            format!("longer than {shortest}"),
        );
        report.add(wrong.help(format!(
            "use at most \"{shortest}\", or probe less often: the next probe would begin before this one has ended"
        )));
        return None;
    }
    let mut timing = Timing::new(interval, timeout).ok()?;
    timing.fast_interval = fast_interval;
    timing.down_interval = down_interval;
    timing.rise = rise.unwrap_or(Some(timing.rise))?;
    timing.fall = fall.unwrap_or(Some(timing.fall))?;
    timing.jitter_percent = jitter.unwrap_or(Some(timing.jitter_percent))?;
    Some(timing)
}

fn socket(
    section: &mut Section<'_>,
    report: &mut Report,
) -> (SocketOptions, Option<(IpAddr, Range<usize>)>) {
    let mut socket = SocketOptions::default();
    let mut place = None;
    if let Some(entry) = section.take("source")
        && let Some(source) = entry.parsed("an address", "192.0.2.2", report)
    {
        socket.source = Some(source);
        place = Some((source, entry.span));
    }
    if let Some(entry) = section.take("device") {
        socket.device = virtual_router::interface(&entry, report);
    }
    if let Some(entry) = section.take("mark") {
        socket.mark = entry.number(1..=u32::MAX, report);
    }
    (socket, place)
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
        if let Some((source, _)) = self.source
            && source.is_ipv4() != ip.is_ipv4()
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
            timing: self.timing,
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
) -> Vec<Check> {
    let mut checks = Vec::with_capacity(templates.len());
    for template in templates {
        match template.check(server, hashes) {
            Ok(check) => checks.push(check),
            Err(misfit) => misfits.add(template, misfit, place),
        }
    }
    checks
}

/// Checks that do not fit servers: each once, with the first such server, however many there are.
#[derive(Debug, Default)]
pub(super) struct Misfits(BTreeMap<usize, (Misfit, Range<usize>, Range<usize>)>);

impl Misfits {
    fn add(&mut self, template: &Template, misfit: Misfit, server: &Range<usize>) {
        let place = match misfit {
            Misfit::DynamicWeight => template.dynamic_weight.as_ref(),
            Misfit::Family => template.source.as_ref().map(|(_, span)| span),
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

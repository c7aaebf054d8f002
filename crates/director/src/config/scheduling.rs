//! `scheduler`, `persistence` and `one_packet` of a virtual service.

use std::ops::Range;
use std::time::Duration;

use locum_ipvs::{
    Hashing, InvalidService, OutOfRange, PersistenceEngine, Protocol, Scheduler, Seconds, Service,
    ServiceKey,
};

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report, Section};

static SCHEDULERS: [(&str, Scheduler); 14] = [
    ("wlc", Scheduler::WLC),
    ("lc", Scheduler::LC),
    ("wrr", Scheduler::WRR),
    ("rr", Scheduler::RR),
    ("mh", Scheduler::MH),
    ("sh", Scheduler::SH),
    ("dh", Scheduler::DH),
    ("lblc", Scheduler::LBLC),
    ("lblcr", Scheduler::LBLCR),
    ("sed", Scheduler::SED),
    ("nq", Scheduler::NQ),
    ("fo", Scheduler::FO),
    ("ovf", Scheduler::OVF),
    ("twos", Scheduler::TWOS),
];

const PERSISTENCE: &str = "persistence = { timeout = \"5m\", prefix = 24 }";
const SCHEDULER: &str = "scheduler = { name = \"mh\", fallback = true }";

/// For how long a client comes back unless the file says otherwise.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// How a service distributes.
#[derive(Debug)]
pub(super) struct Scheduling {
    scheduler: Scheduler,
    persistence: Option<Persistence>,
    one_packet: Option<Range<usize>>,
}

#[derive(Debug)]
struct Persistence {
    timeout: Seconds,
    prefix: Option<(u8, Range<usize>)>,
    engine: Option<(PersistenceEngine, Range<usize>)>,
}

/// Reads the keys; `None`: something is wrong with them, which is noted.
pub(super) fn read(section: &mut Section<'_>, report: &mut Report) -> Option<Scheduling> {
    let scheduler = match section.take("scheduler") {
        Some(entry) => scheduler(&entry, report),
        None => Some(Scheduler::WLC),
    };
    let persistence = match section.take("persistence") {
        Some(entry) => persistence(&entry, report).map(Some),
        None => Some(None),
    };
    let one_packet = section.take("one_packet");
    let one_packet = one_packet
        .filter(|entry| entry.boolean(report) == Some(true))
        .map(|entry| entry.span);
    Some(Scheduling {
        scheduler: scheduler?,
        persistence: persistence?,
        one_packet,
    })
}

fn scheduler(entry: &Entry<'_>, report: &mut Report) -> Option<Scheduler> {
    if !entry.value.is_table() {
        return known(entry, report);
    }
    let mut section = Section::of("`scheduler`", SCHEDULER, entry, report)?;
    let name = section.require("name", "\"mh\"", report);
    let mut flag = |key| {
        let entry = section.take(key)?;
        Some((entry.boolean(report)?, entry))
    };
    let (fallback, port) = (flag("fallback"), flag("port"));
    section.finish(report);
    let name = name?;
    let scheduler = known(&name, report)?;
    let is_set = |flag: &Option<(bool, Entry<'_>)>| flag.as_ref().is_some_and(|&(set, _)| set);
    let hashing = Hashing {
        fallback: is_set(&fallback),
        port: is_set(&port),
    };
    if scheduler == Scheduler::MH {
        return Some(Scheduler::maglev(hashing));
    }
    if scheduler == Scheduler::SH {
        return Some(Scheduler::source_hash(hashing));
    }
    for (_, flag) in [fallback, port].into_iter().flatten() {
        let message = format!("`{}` of the scheduler \"{scheduler}\"", flag.key);
        let wrong = flag.wrong(message, "would have no effect");
        report.add(wrong.help("remove it: only \"mh\" and \"sh\" have it"));
    }
    Some(scheduler)
}

fn known(entry: &Entry<'_>, report: &mut Report) -> Option<Scheduler> {
    let text = entry.string("wlc", report)?;
    let found = SCHEDULERS.iter().find(|(name, _)| *name == text);
    if let Some((_, scheduler)) = found {
        return Some(scheduler.clone());
    }
    // For the message about an unknown word.
    let choices: Vec<_> = SCHEDULERS.iter().map(|&(name, _)| (name, ())).collect();
    entry.choice(&choices, report);
    None
}

fn persistence(entry: &Entry<'_>, report: &mut Report) -> Option<Persistence> {
    if !entry.value.is_table() {
        return Some(Persistence {
            timeout: seconds(entry, report)?,
            prefix: None,
            engine: None,
        });
    }
    let mut section = Section::of("`persistence`", PERSISTENCE, entry, report)?;
    let timeout = match section.take("timeout") {
        Some(entry) => seconds(&entry, report),
        None => Seconds::try_from(FIVE_MINUTES).ok(),
    };
    let prefix = match section.take("prefix") {
        Some(entry) => entry
            .number(0..=128, report)
            .map(|prefix| Some((prefix, entry.span))),
        None => Some(None),
    };
    let engine = match section.take("engine") {
        Some(entry) => entry
            .choice(&[("sip", ())], report)
            .map(|()| Some((PersistenceEngine::SIP, entry.span))),
        None => Some(None),
    };
    section.finish(report);
    Some(Persistence {
        timeout: timeout?,
        prefix: prefix?,
        engine: engine?,
    })
}

/// A time that the kernel counts in seconds.
pub(super) fn seconds(entry: &Entry<'_>, report: &mut Report) -> Option<Seconds> {
    let duration = entry.duration(Duration::MAX, report)?;
    match Seconds::try_from(duration) {
        Ok(seconds) => Some(seconds),
        Err(OutOfRange { .. }) => {
            let wrong = entry.wrong(
                format!("`{}` is out of range", entry.key),
                "not from 1 second to 24 days",
            );
            report.add(wrong.help("use at least \"1s\" and at most \"24days\""));
            None
        }
    }
}

impl Scheduling {
    /// What the scheduler is called, if it gives each client a place that depends on all weights.
    pub(super) fn hashes(&self) -> Option<&str> {
        let name = self.scheduler.name();
        ["dh", "mh", "sh"].contains(&name).then_some(name)
    }

    /// The service of the kernel for `key`, which is written at `place`.
    pub(super) fn service(
        &self,
        key: ServiceKey,
        place: &Range<usize>,
        mistakes: &mut Mistakes,
    ) -> Option<Service> {
        let mut service = Service::new(key, self.scheduler.clone());
        if let Some(persistence) = &self.persistence {
            service = self.persistent(service, persistence, place, mistakes)?;
        } else if let ServiceKey::Endpoint { port: 0, .. } = key {
            mistakes.every_port.get_or_insert_with(|| place.clone());
            return None;
        }
        if let Some(span) = &self.one_packet {
            match service.one_packet() {
                Ok(one_packet) => service = one_packet,
                Err(InvalidService::OnePacketNeedsUdp | _) => {
                    mistakes.one_packet.get_or_insert_with(|| span.clone());
                    return None;
                }
            }
        }
        Some(service)
    }

    fn persistent(
        &self,
        service: Service,
        persistence: &Persistence,
        place: &Range<usize>,
        mistakes: &mut Mistakes,
    ) -> Option<Service> {
        let mut service = match &persistence.prefix {
            None => service.persistent(persistence.timeout),
            Some((prefix, span)) => {
                match service.persistent_by_network(persistence.timeout, *prefix) {
                    Ok(service) => service,
                    Err(_) => {
                        mistakes
                            .prefix
                            .get_or_insert_with(|| (span.clone(), place.clone()));
                        return None;
                    }
                }
            }
        };
        if let Some((engine, span)) = &persistence.engine {
            if let ServiceKey::Endpoint { protocol, .. } = *service.key()
                && protocol != Protocol::UDP
            {
                mistakes.engine.get_or_insert_with(|| span.clone());
                return None;
            }
            service = service.persistence_engine(engine.clone());
        }
        Some(service)
    }
}

/// What does not fit the addresses of a service: each once, however many addresses there are.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    every_port: Option<Range<usize>>,
    one_packet: Option<Range<usize>>,
    prefix: Option<(Range<usize>, Range<usize>)>,
    engine: Option<Range<usize>>,
}

impl Mistakes {
    pub(super) fn note(self, report: &mut Report) {
        let mut add = |message: &str, span: Range<usize>, label: &str, help: &str| {
            let diagnostic = Diagnostic::new(message).at(span).label(label);
            report.add(diagnostic.help(help));
        };
        if let Some(span) = self.every_port {
            add(
                "a service of every port needs persistence",
                span,
                "port 0 is every port",
                "add a line like persistence = \"5m\": without it the kernel distributes nothing; or name a port",
            );
        }
        if let Some(span) = self.one_packet {
            add(
                "only UDP can be distributed packet by packet",
                span,
                "would have no effect",
                "remove `one_packet`, or use protocol = \"udp\"",
            );
        }
        if let Some(span) = self.engine {
            add(
                "the engine \"sip\" is for UDP",
                span,
                "would recognise nobody",
                "remove `engine`, or use protocol = \"udp\"",
            );
        }
        if let Some((span, place)) = self.prefix {
            let wrong = Diagnostic::new("`prefix` does not fit the address").at(span);
            report.add(
                wrong
                    .label("too long, or too short")
                    .related(place, "of this service")
                    .help("use 0 to 32 for IPv4, 1 to 128 for IPv6"),
            );
        }
    }
}

//! The section `[[virtual_service]]`.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use locum_ipvs::{Forward, IpFamily, Service, ServiceKey};

use crate::site::{Initial, OnFailure, Quorum, RealServer, VirtualService};

use super::check_kinds::Kinds;
use super::diagnostic::Diagnostic;
use super::pool::Pool;
use super::scheduling::{self, Mistakes, Scheduling};
use super::section::{Entry, Report, Section};
use super::service_address::{self, Identity};
use super::{check, check_target, director, forward, notify, server};

/// More destinations than this in the kernel's table, each server once for each address, are taken for a mistake.
const MOST_DESTINATIONS: usize = 1 << 20;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const A_MINUTE: Duration = Duration::from_secs(60);

/// What was read of a section, with places for messages.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) name: Option<(String, Range<usize>)>,
    /// What identifies it in the kernel.
    pub(super) keys: Vec<(ServiceKey, Range<usize>)>,
    /// Its first server of another family.
    pub(super) mixed: Option<Range<usize>>,
}

/// The virtual services of a file.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// All of them; none at all if it is known that they fit together.
    pub(super) located: Vec<Located>,
    /// Those without a mistake.
    pub(super) valid: Vec<Arc<VirtualService>>,
}

impl Services {
    pub(super) const fn is_empty(&self) -> bool {
        self.located.is_empty() && self.valid.is_empty()
    }

    pub(super) fn names(&self) -> Vec<&str> {
        if self.located.is_empty() {
            return self.valid.iter().map(|one| one.name.as_str()).collect();
        }
        let names = self.located.iter().filter_map(|one| one.name.as_ref());
        names.map(|(name, _)| name.as_str()).collect()
    }
}

/// What the services of a file share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) kinds: Kinds,
    pub(super) left: Room,
    /// Those of servers, which many services have in common.
    names: BTreeSet<Arc<str>>,
}

impl Shared {
    /// The one copy of `name`.
    pub(super) fn name(&mut self, name: String) -> Arc<str> {
        if let Some(known) = self.names.get(name.as_str()) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }
}

/// How much there may be of what is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    addresses: usize,
    destinations: usize,
}

impl Room {
    pub(super) fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            addresses: self.addresses.checked_sub(other.addresses)?,
            destinations: self.destinations.checked_sub(other.destinations)?,
        })
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            kinds: Kinds::default(),
            names: BTreeSet::new(),
            left: Room {
                addresses: service_address::MOST,
                destinations: MOST_DESTINATIONS,
            },
        }
    }
}

/// With the whole service, if nothing is missing.
pub(super) fn read(
    mut section: Section<'_>,
    shared: &mut Shared,
    report: &mut Report,
) -> (Located, Option<VirtualService>) {
    let mistakes = report.0.len();
    let name = section
        .require("name", "\"web\"", report)
        .and_then(|entry| Some((director::name(&entry, report)?, entry.span)));
    let identity = Identity::take(&mut section);
    let forward = forward::read(&mut section, report).unwrap_or(Forward::Direct);
    let hosts = server::hosts(&mut section, report);
    let sorry = section.take("sorry_server");
    let sorry = sorry.and_then(|entry| server::sorry(&entry, report));
    if hosts.is_empty() && sorry.is_none() && report.0.len() == mistakes {
        report.add(nobody(&section));
    }
    let addresses = hosts.iter().filter_map(server::Host::address);
    let addresses = addresses.chain(sorry.as_ref().map(server::SorryHost::address));
    let keys = identity.keys(
        addresses.map(IpFamily::from),
        &mut shared.left.addresses,
        report,
    );
    let scheduling = scheduling::read(&mut section, report);
    let kernel = kernel(scheduling.as_ref(), &keys, report);
    let templates = section
        .take("check")
        .map(|entry| check::read(&entry, &mut shared.kinds, report))
        .unwrap_or_default();

    let mut pool = Pool::new(&keys, forward, scheduling.as_ref(), &templates);
    let count = hosts.len();
    let servers = server::read(hosts, &mut pool, shared, report);
    let sorry = sorry.and_then(|sorry| pool.sorry(&sorry, report));
    let mixed = pool.finish(report);
    destinations(keys.len(), count, &section, shared, report);

    let initial = initial(&mut section, report);
    let on_failure = on_failure(&mut section, report);
    // What a server weighs that could not be read is not known.
    let all = (servers.len() == count).then_some(&*servers);
    let quorum = quorum(&mut section, all, report);
    let drain_timeout = section
        .take("drain_timeout")
        .and_then(|entry| entry.duration(A_DAY, report))
        .unwrap_or(A_MINUTE);
    let notify = notify::read(&mut section, report);
    section.finish(report);

    let valid = report.0.len() == mistakes;
    let service = name
        .clone()
        .filter(|_| valid)
        .map(|(name, _)| VirtualService {
            name,
            kernel,
            servers,
            sorry,
            initial,
            on_failure,
            quorum,
            drain_timeout,
            notify,
        });
    (Located { name, keys, mixed }, service)
}

fn nobody(section: &Section<'_>) -> Diagnostic {
    let diagnostic = Diagnostic::new("nobody is there to serve").at(section.header());
    let help = "add a [[virtual_service.server]] with its address, or a `sorry_server`";
    diagnostic.label("no server").help(help)
}

fn kernel(
    scheduling: Option<&Scheduling>,
    keys: &[(ServiceKey, Range<usize>)],
    report: &mut Report,
) -> Box<[Service]> {
    let Some(scheduling) = scheduling else {
        return Box::default();
    };
    let mut mistakes = Mistakes::default();
    let mut services = Vec::with_capacity(keys.len());
    for (key, place) in keys {
        services.extend(scheduling.service(*key, place, &mut mistakes));
    }
    mistakes.note(report);
    services.into_boxed_slice()
}

fn destinations(
    addresses: usize,
    servers: usize,
    section: &Section<'_>,
    shared: &mut Shared,
    report: &mut Report,
) {
    let count = addresses.saturating_mul(servers);
    match shared.left.destinations.checked_sub(count) {
        Some(left) => shared.left.destinations = left,
        None => report.add(
            Diagnostic::new(format!("more than {MOST_DESTINATIONS} destinations"))
                .at(section.header())
                .label(format!("{servers} servers for each of {addresses} addresses"))
                .help("the kernel keeps each server once for each address; use a firewall `mark` for many addresses"),
        ),
    }
}

fn initial(section: &mut Section<'_>, report: &mut Report) -> Initial {
    let choices = [
        ("checking", Initial::Checking),
        ("up", Initial::Up),
        ("down", Initial::Down),
    ];
    let entry = section.take("initial");
    entry
        .and_then(|entry| entry.choice(&choices, report))
        .unwrap_or_default()
}

fn on_failure(section: &mut Section<'_>, report: &mut Report) -> OnFailure {
    let choices = [
        ("remove", OnFailure::Remove),
        ("quiesce", OnFailure::Quiesce),
    ];
    let entry = section.take("on_failure");
    entry
        .and_then(|entry| entry.choice(&choices, report))
        .unwrap_or_default()
}

fn quorum(
    section: &mut Section<'_>,
    servers: Option<&[RealServer]>,
    report: &mut Report,
) -> Quorum {
    let quorum = section.take("quorum");
    quorum
        .and_then(|entry| read_quorum(&entry, servers, report))
        .unwrap_or_default()
}

fn read_quorum(
    entry: &Entry<'_>,
    servers: Option<&[RealServer]>,
    report: &mut Report,
) -> Option<Quorum> {
    let mut quorum = Quorum::default();
    if entry.value.is_table() {
        let example = "quorum = { weight = 3, hysteresis = 1 }";
        let mut section = Section::of("`quorum`", example, entry, report)?;
        let weight = section.require("weight", "3", report);
        let hysteresis = section.take("hysteresis");
        section.finish(report);
        quorum.weight = NonZeroU32::new(weight?.number(1..=u32::MAX, report)?)?;
        if let Some(hysteresis) = hysteresis {
            quorum.hysteresis = hysteresis.number(0..=u32::MAX, report)?;
            if quorum.hysteresis >= quorum.weight.get() {
                let wrong =
                    hysteresis.wrong("the quorum could never be lost", "not less than `weight`");
                report.add(wrong.help(
                    "make it less than `weight`: the quorum is lost below weight - hysteresis",
                ));
                return None;
            }
        }
    } else {
        quorum.weight = NonZeroU32::new(entry.number(1..=u32::MAX, report)?)?;
    }
    let needed = u64::from(quorum.weight.get()) + u64::from(quorum.hysteresis);
    let Some(servers) = servers else {
        return Some(quorum);
    };
    let there: u64 = servers
        .iter()
        .map(|server| u64::from(server.weight.get()))
        .sum();
    let fixed = !servers.iter().any(check_target::changes_weight);
    if needed > there && fixed {
        let label = format!("all servers together weigh {there}");
        let wrong = entry.wrong("the quorum can never be gained", label);
        report.add(wrong.help(format!(
            "it is gained at {needed}: weight and hysteresis; use less, or add servers"
        )));
        return None;
    }
    Some(quorum)
}

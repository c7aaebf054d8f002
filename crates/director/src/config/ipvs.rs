//! The section `[ipvs]`.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::ops::Range;
use std::time::Duration;

use locum_ipvs::{InterfaceName, Role, SyncDaemon, TimeoutChange};
use toml::de::DeValue;

use crate::site::{Foreign, IpvsSettings, MassFailure, OnStop, SyncSettings};

use super::scheduling::seconds;
use super::section::{Entry, Report, Section};
use super::virtual_router;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AN_HOUR: Duration = Duration::from_secs(60 * 60);
const SHORTEST: Duration = Duration::from_millis(100);

const TIMEOUTS: &str = "timeouts = { tcp = \"15m\", tcp_fin = \"2m\", udp = \"5m\" }";
const SYNC: &str = "sync = { interface = \"eth1\", id = 51 }";
const MASS_FAILURE: &str = "mass_failure = { percent = 80, within = \"5s\", hold = \"30s\" }";

/// What was read, with places for messages.
#[derive(Debug, Default)]
pub(super) struct Located {
    pub(super) settings: IpvsSettings,
    pub(super) sync: Option<Synchronised>,
}

/// The places of `sync`.
#[derive(Debug)]
pub(super) struct Synchronised {
    pub(super) span: Range<usize>,
    /// The virtual routers that it names; `None`: all.
    pub(super) routers: Option<Vec<(String, Range<usize>)>>,
}

pub(super) fn read(entry: &Entry<'_>, report: &mut Report) -> Option<Located> {
    let mut section = Section::of("[ipvs]", "[ipvs]", entry, report)?;
    let mut located = Located::default();
    let settings = &mut located.settings;
    if let Some(entry) = section.take("reconcile_interval")
        && let Some(interval) = entry.duration_within(SHORTEST..=A_DAY, report)
    {
        settings.reconcile_interval = interval;
    }
    if let Some(entry) = section.take("on_stop") {
        let choices = [("remove", OnStop::Remove), ("leave", OnStop::Leave)];
        settings.on_stop = entry.choice(&choices, report).unwrap_or(settings.on_stop);
    }
    if let Some(entry) = section.take("foreign") {
        let choices = [("keep", Foreign::Keep), ("remove", Foreign::Remove)];
        settings.foreign = entry.choice(&choices, report).unwrap_or(settings.foreign);
    }
    if let Some(entry) = section.take("timeouts") {
        settings.timeouts = timeouts(&entry, report).unwrap_or_default();
    }
    if let Some(entry) = section.take("start_bound")
        && let Some(bound) = entry.duration(AN_HOUR, report)
    {
        settings.start_bound = bound;
    }
    if let Some(entry) = section.take("mass_failure") {
        settings.mass_failure = mass_failure(&entry, report);
    }
    if let Some(entry) = section.take("sync")
        && let Some((sync, places)) = sync(&entry, report)
    {
        settings.sync = Some(sync);
        located.sync = Some(places);
    }
    section.finish(report);
    Some(located)
}

fn timeouts(entry: &Entry<'_>, report: &mut Report) -> Option<TimeoutChange> {
    let mut section = Section::of("`timeouts`", TIMEOUTS, entry, report)?;
    let mut time = |key| section.take(key).and_then(|entry| seconds(&entry, report));
    let timeouts = TimeoutChange {
        tcp: time("tcp"),
        tcp_fin: time("tcp_fin"),
        udp: time("udp"),
    };
    section.finish(report);
    Some(timeouts)
}

fn mass_failure(entry: &Entry<'_>, report: &mut Report) -> Option<MassFailure> {
    match entry.value {
        DeValue::Boolean(false) => return None,
        DeValue::Table(_) => {}
        DeValue::Boolean(true)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            let help = format!("write {MASS_FAILURE}, or false to let any number fail");
            report.add(entry.mistyped("a table or false", &help));
            return None;
        }
    }
    let mut section = Section::of("`mass_failure`", MASS_FAILURE, entry, report)?;
    let mut mass = MassFailure::default();
    if let Some(entry) = section.take("percent") {
        mass.percent = entry.number(1..=100, report).unwrap_or(mass.percent);
    }
    if let Some(entry) = section.take("within") {
        let within = entry.duration_within(SHORTEST..=AN_HOUR, report);
        mass.within = within.unwrap_or(mass.within);
    }
    if let Some(entry) = section.take("hold") {
        let hold = entry.duration_within(SHORTEST..=A_DAY, report);
        mass.hold = hold.unwrap_or(mass.hold);
    }
    if let Some(entry) = section.take("at_least") {
        mass.at_least = entry.number(1..=u32::MAX, report).unwrap_or(mass.at_least);
    }
    section.finish(report);
    Some(mass)
}

fn sync(entry: &Entry<'_>, report: &mut Report) -> Option<(SyncSettings, Synchronised)> {
    let mut section = Section::of("`sync`", SYNC, entry, report)?;
    let interface = section
        .require("interface", "\"eth1\"", report)
        .and_then(|entry| virtual_router::interface(&entry, report))
        .and_then(|name| InterfaceName::new(&name).ok());
    let id = section
        .require("id", "51", report)
        .and_then(|entry| entry.number(0..=255, report));
    let group = section.take("group");
    let group = match &group {
        Some(entry) => multicast(entry, report).map(Some),
        None => Some(None),
    };
    let port = section
        .take("port")
        .and_then(|entry| NonZeroU16::new(entry.number(1..=u16::MAX, report)?));
    let ttl = section
        .take("ttl")
        .and_then(|entry| NonZeroU8::new(entry.number(1..=u8::MAX, report)?));
    let max_length = section
        .take("max_length")
        .and_then(|entry| entry.number(256..=u16::MAX, report));
    let routers = section.take("routers").map(|entry| {
        let names = entry.strings("web", report);
        if entry.value.as_array().is_some_and(|array| array.is_empty()) {
            let wrong = entry.wrong("no virtual router would decide the roles", "empty");
            report.add(wrong.help("list the names of virtual routers, or remove the line for all"));
        }
        let named = |(name, entry): (&str, Entry<'_>)| (name.to_owned(), entry.span);
        names.into_iter().map(named).collect::<Vec<_>>()
    });
    section.finish(report);

    let mut master = SyncDaemon::new(Role::Master, interface.clone()?, id?);
    let mut backup = SyncDaemon::new(Role::Backup, interface?, id?);
    for daemon in [&mut master, &mut backup] {
        let mut changed = daemon.clone();
        if let Some(group) = group? {
            changed = changed.group(group).ok()?;
        }
        if let Some(port) = port {
            changed = changed.port(port);
        }
        if let Some(ttl) = ttl {
            changed = changed.ttl(ttl);
        }
        if let Some(length) = max_length {
            changed = changed.max_length(length);
        }
        *daemon = changed;
    }
    let names = routers.iter().flatten().map(|(name, _)| name.clone());
    let settings = SyncSettings {
        routers: names.collect(),
        master,
        backup,
    };
    let places = Synchronised {
        span: entry.span.clone(),
        routers,
    };
    Some((settings, places))
}

fn multicast(entry: &Entry<'_>, report: &mut Report) -> Option<IpAddr> {
    let group: IpAddr = entry.parsed("an address", "224.0.0.81", report)?;
    if group.is_multicast() {
        return Some(group);
    }
    let wrong = entry.wrong(
        "connections are copied by multicast",
        "not a multicast address",
    );
    report
        .add(wrong.help(
            "use an address from 224.0.0.0/4 or ff00::/8, or remove the line for 224.0.0.81",
        ));
    None
}

//! What a start of the director would change in the kernel's IPVS, in words. Pure.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_health::Health;
use locum_ipvs::{
    Destination, DestinationKey, DestinationSettings, Netmask, Op, ServiceKey, ServiceSettings,
    Snapshot, TimeoutChange, Timeouts, plan_with,
};

use crate::pool::{Input, Pools};
use crate::site::{Foreign, Site};

/// Everything that would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) changes: Vec<Change>,
    /// Services that somebody else put there, and that stay.
    pub(crate) foreign: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Add,
    Change,
    Remove,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

impl Diff {
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.changes
            .iter()
            .filter(|change| change.kind == kind)
            .count()
    }
}

/// What a director with `site` would change in the kernel's table `actual` once every check has passed. What an
/// `earlier` run put there goes, if it is not configured any more.
pub(crate) fn compare(
    now: Instant,
    site: &Site,
    earlier: impl Fn(&ServiceKey) -> bool,
    mut actual: Snapshot,
    timeouts: Option<Timeouts>,
) -> Diff {
    let mut pools = Pools::new(now, &Arc::new(site.clone()), &actual);
    let slots: Vec<_> = pools.checks().map(|(slot, _, _)| slot).collect();
    for slot in slots {
        let report = Input::Report {
            slot,
            health: Health::Up,
            weight: None,
            error: None,
        };
        pools.handle(now, report);
    }
    let mut foreign = 0;
    match site.ipvs.foreign {
        Foreign::Keep => actual.retain(|service| {
            let key = &service.service.key;
            let ours = pools.is_ours(key) || earlier(key);
            foreign += usize::from(!ours);
            ours
        }),
        Foreign::Remove => {}
    }
    let ops = plan_with(pools.desired(), &actual, |service, entry| {
        pools.removal(service, &entry.key)
    });
    let mut changes: Vec<Change> = ops.iter().filter_map(|op| change(op, &actual)).collect();
    changes.extend(timeouts.and_then(|now| timeout_change(site.ipvs.timeouts, now)));
    Diff { changes, foreign }
}

fn change(op: &Op, actual: &Snapshot) -> Option<Change> {
    let entry = |service: &ServiceKey, key: &DestinationKey| {
        let service = actual.get(service)?;
        service.destinations.get(key)
    };
    let (kind, what) = match op {
        Op::AddService(service) => {
            let settings = shown(&service.settings());
            (Kind::Add, format!("{}  {settings}", service.key()))
        }
        Op::AddDestination(service, destination) => (Kind::Add, added(service, destination)),
        Op::EditService(service) => {
            let key = service.key();
            let before = actual.get(key).map(|one| shown(&one.service.settings));
            let after = shown(&service.settings());
            let what = format!("{key}  {} -> {after}", before.unwrap_or_default());
            (Kind::Change, what)
        }
        Op::EditDestination(service, destination) => {
            let key = destination.key(service);
            let before = entry(service, &key).map(|one| described(&one.settings));
            let after = described(&destination.settings());
            let before = before.unwrap_or_default();
            let what = format!("{service} -> {key}  {before} -> {after}");
            (Kind::Change, what)
        }
        Op::DrainDestination(service, key, before) => {
            let weight = before.weight;
            let what =
                format!("{service} -> {key}  weight {weight} -> 0, until its connections end");
            (Kind::Change, what)
        }
        Op::RemoveDestination(service, key) => (Kind::Remove, format!("{service} -> {key}")),
        Op::RemoveService(service) => (Kind::Remove, service.to_string()),
        // A plan has no others.
        Op::Flush
        | Op::SetTimeouts(_)
        | Op::StartDaemon(_)
        | Op::StopDaemon(_)
        | Op::Zero(_)
        | _ => return None,
    };
    Some(Change { kind, what })
}

fn added(service: &ServiceKey, destination: &Destination) -> String {
    let key = destination.key(service);
    format!("{service} -> {key}  {}", described(&destination.settings()))
}

fn shown(settings: &ServiceSettings) -> String {
    let ServiceSettings {
        scheduler,
        flags,
        timeout,
        netmask,
        engine,
        ..
    } = settings;
    let mut text = scheduler.clone();
    if *timeout > 0 {
        text.push_str(&format!(", persistent for {timeout} s"));
        match *netmask {
            Netmask::V4(Ipv4Addr::BROADCAST) | Netmask::V6(128) => {}
            Netmask::V4(mask) => text.push_str(&format!(" by {mask}")),
            Netmask::V6(prefix) => text.push_str(&format!(" by /{prefix}")),
        }
    }
    if let Some(engine) = engine {
        text.push_str(&format!(", engine {engine}"));
    }
    // Bit 0 is persistence, which is said already.
    if flags & !1 != 0 {
        text.push_str(&format!(", flags {:#x}", flags & !1));
    }
    text
}

fn described(settings: &DestinationSettings) -> String {
    let DestinationSettings {
        forward,
        weight,
        upper_threshold,
        lower_threshold,
        ..
    } = settings;
    let mut text = format!("{forward}, weight {weight}");
    if *upper_threshold > 0 {
        text.push_str(&format!(
            ", thresholds {lower_threshold} to {upper_threshold}"
        ));
    }
    text
}

fn timeout_change(wanted: TimeoutChange, now: Timeouts) -> Option<Change> {
    let mut parts = Vec::new();
    for (name, wanted, now) in [
        ("tcp", wanted.tcp, now.tcp),
        ("tcp_fin", wanted.tcp_fin, now.tcp_fin),
        ("udp", wanted.udp, now.udp),
    ] {
        if let Some(wanted) = wanted
            && wanted.duration() != now
        {
            let seconds = |time: Duration| time.as_secs();
            parts.push(format!(
                "{name} {} s -> {} s",
                seconds(now),
                seconds(wanted.duration())
            ));
        }
    }
    (!parts.is_empty()).then(|| Change {
        kind: Kind::Change,
        what: format!("timeouts  {}", parts.join(", ")),
    })
}

#[cfg(test)]
mod tests;

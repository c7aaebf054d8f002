//! What the election of a virtual router is configured with.

use std::num::NonZeroU8;
use std::time::Duration;

use locum_vrrp::election::{AnnounceSchedule, Config, ConfigError, LeasePolicy, Preempt};
use locum_vrrp::{AdvertInterval, Priority, Version};

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report, Section};

/// Longer delays than a day are mistakes, and far from what a clock can count.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn read(
    section: &mut Section<'_>,
    version: Version,
    report: &mut Report,
) -> Option<Config> {
    let interval = match section.take("advert_interval") {
        Some(entry) => interval(&entry, version, report),
        None => AdvertInterval::from_duration(version, Duration::from_secs(1)).ok(),
    };
    let priority = match section.take("priority") {
        Some(entry) => entry.number(1..=255, report).map(Priority::new),
        None => Some(Priority::DEFAULT),
    };
    let preempt = preempt(section, priority, report);
    let startup_delay = delay(section, "startup_delay", report).unwrap_or_default();
    let missed_adverts = section
        .take("missed_adverts")
        .and_then(|entry| NonZeroU8::new(entry.number(1..=255, report)?));
    let announce = announce(section, report);
    let lease_entry = section.take("lease");
    let lease = lease_entry.as_ref().map(|entry| lease(entry, report));

    let mut config = Config::new(interval?, priority?)
        .ok()?
        .preempt(preempt)
        .startup_delay(startup_delay)
        .announce(announce);
    if let Some(count) = missed_adverts {
        config = config.missed_adverts(count);
    }
    match (lease_entry, lease) {
        (Some(entry), Some(lease)) => leased(config, lease?, &entry, report),
        _ => Some(config),
    }
}

fn interval(entry: &Entry<'_>, version: Version, report: &mut Report) -> Option<AdvertInterval> {
    let duration = entry.duration(A_DAY, report)?;
    match AdvertInterval::from_duration(version, duration) {
        Ok(interval) => Some(interval),
        Err(error) => {
            report.add(
                entry
                    .wrong("`advert_interval` is out of range", "cannot be sent")
                    .help(error.to_string()),
            );
            None
        }
    }
}

fn preempt(section: &mut Section<'_>, priority: Option<Priority>, report: &mut Report) -> Preempt {
    let preempt = section.take("preempt");
    let wanted = preempt
        .as_ref()
        .and_then(|entry| entry.boolean(report))
        .unwrap_or(true);
    let delay_entry = section.take("preempt_delay");
    let delay = delay_entry
        .as_ref()
        .and_then(|entry| entry.duration(A_DAY, report));
    let is_owner = priority.is_some_and(Priority::is_owner);
    if wanted {
        if let Some(entry) = delay_entry.filter(|_| is_owner) {
            report.add(owner_preempts(&entry));
        }
        return Preempt::Allow {
            delay: delay.unwrap_or_default(),
        };
    }
    if let Some(entry) = delay_entry {
        let wrong = entry.wrong("`preempt_delay` without preemption", "would have no effect");
        report.add(wrong.help("remove this line, or preempt = false"));
    }
    if let Some(entry) = preempt.filter(|_| is_owner) {
        report.add(owner_preempts(&entry));
    }
    Preempt::Forbid
}

/// RFC 9568 §6.1, `Preempt_Mode`.
fn owner_preempts(entry: &Entry<'_>) -> Diagnostic {
    entry
        .wrong(
            "the address owner always preempts, at once",
            "priority 255 is the owner",
        )
        .help("remove this line, or use a priority of at most 254")
}

fn delay(section: &mut Section<'_>, key: &'static str, report: &mut Report) -> Option<Duration> {
    section.take(key)?.duration(A_DAY, report)
}

fn announce(section: &mut Section<'_>, report: &mut Report) -> AnnounceSchedule {
    let mut schedule = AnnounceSchedule::default();
    let Some(entry) = section.take("announce") else {
        return schedule;
    };
    let example = "announce = { again_after = \"5s\", refresh = \"60s\" }";
    let Some(mut section) = Section::of("`announce`", example, &entry, report) else {
        return schedule;
    };
    let some = |delay: Duration| (!delay.is_zero()).then_some(delay);
    if let Some(again_after) = delay(&mut section, "again_after", report) {
        schedule.again_after = some(again_after);
    }
    if let Some(refresh) = delay(&mut section, "refresh", report) {
        schedule.refresh = some(refresh);
    }
    section.finish(report);
    schedule
}

fn lease(entry: &Entry<'_>, report: &mut Report) -> Option<LeasePolicy> {
    match entry.value.as_str() {
        Some("auto") => return Some(LeasePolicy::Auto),
        Some("off") => return Some(LeasePolicy::Off),
        _ => {}
    }
    let before = report.0.len();
    let duration = entry.duration(A_DAY, report);
    if let Some(diagnostic) = report.0.get_mut(before) {
        "use \"auto\", \"off\" or a length of time like \"5s\"".clone_into(&mut diagnostic.help);
    }
    duration.map(LeasePolicy::Fixed)
}

fn leased(
    config: Config,
    lease: LeasePolicy,
    entry: &Entry<'_>,
    report: &mut Report,
) -> Option<Config> {
    let error = match config.lease(lease) {
        Ok(config) => return Some(config),
        Err(error) => error,
    };
    let label = if let ConfigError::LeaseTooShort { minimum } = error {
        let minimum = humantime::format_duration(minimum);
        format!("at least \"{minimum}\" with this interval")
    } else {
        error.to_string()
    };
    report.add(
        entry
            .wrong("the lease is too short", label)
            .help("a shorter one would end before a backup may take over; \"auto\" always fits"),
    );
    None
}

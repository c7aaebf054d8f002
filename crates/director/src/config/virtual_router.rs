//! The section `[[virtual_router]]`.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;
use locum_vrrp::election::{AnnounceSchedule, Config, ConfigError, LeasePolicy, Preempt};
use locum_vrrp::wire::AdvertisementError;
use locum_vrrp::{
    AdvertInterval, ChecksumForm, Password, Peer, Priority, RouterConfig, RouterConfigError,
    Version, Vrid,
};

use super::diagnostic::Diagnostic;
use super::document::ReadFile;
use super::section::{Entry, Report, Section};
use super::{VirtualRouter, director, router_addresses, router_peers, router_security};

/// Longer delays than a day are mistakes, and far from what a clock can count.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was read of a section, with places for messages: enough for the checks across sections even where
/// something else in it is wrong.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) name: Option<(String, Range<usize>)>,
    pub(super) interface: Option<String>,
    pub(super) vrid: Option<(Vrid, Range<usize>)>,
    pub(super) addresses: Vec<(IpNet, Range<usize>)>,
    /// The whole, if nothing is missing.
    pub(super) router: Option<VirtualRouter>,
}

pub(super) fn read(mut section: Section<'_>, file: ReadFile<'_>, report: &mut Report) -> Located {
    let header = section.header();
    let name = section
        .require("name", "\"web\"", report)
        .and_then(|entry| Some((director::name(&entry, report)?, entry.span)));
    let interface = section
        .require("interface", "\"eth0\"", report)
        .and_then(|entry| interface(&entry, report));
    let vrid = section
        .require("vrid", "51", report)
        .and_then(|entry| Some((Vrid::new(entry.number(1..=255, report)?).ok()?, entry.span)));
    let version = version(&mut section, report);
    let addresses = router_addresses::read(&mut section, version, report);
    let ipv6 = addresses
        .first()
        .map(|(address, _)| matches!(address, IpNet::V6(_)));
    let election = election(&mut section, version, report);
    let source = source(&mut section, ipv6, report);
    let peers = router_peers::read(&mut section, ipv6, source, report);
    let password = router_security::password(&mut section, version, file, report);
    let checksum = checksum(&mut section, version, ipv6, report);
    accept(&mut section, report);
    section.finish(report);

    let router = match (&name, &interface, &vrid, election) {
        (Some((name, _)), Some(interface), Some((vrid, _)), Some(election)) => {
            let parts = Parts {
                source,
                peers,
                password,
                checksum,
            };
            let addresses: Vec<IpNet> = addresses.iter().map(|&(address, _)| address).collect();
            let built = RouterConfig::new(interface.as_str(), *vrid, addresses, election)
                .and_then(|router| parts.add_to(router));
            note(built, header, report).map(|router| VirtualRouter {
                name: name.clone(),
                router,
            })
        }
        _ => None,
    };
    Located {
        name,
        interface,
        vrid,
        addresses,
        router,
    }
}

/// The optional parts of a router.
struct Parts {
    source: Option<IpAddr>,
    peers: Vec<Peer>,
    password: Option<Password>,
    checksum: Option<ChecksumForm>,
}

impl Parts {
    fn add_to(self, mut router: RouterConfig) -> Result<RouterConfig, RouterConfigError> {
        if let Some(source) = self.source {
            router = router.source(source)?;
        }
        if !self.peers.is_empty() {
            router = router.unicast(self.peers)?;
        }
        if let Some(password) = self.password {
            router = router.password(password)?;
        }
        if let Some(checksum) = self.checksum {
            router = router.checksum(checksum)?;
        }
        Ok(router)
    }
}

/// What the library refuses is a mistake too, though the checks above, which know the place better, come first.
fn note(
    built: Result<RouterConfig, RouterConfigError>,
    header: Range<usize>,
    report: &mut Report,
) -> Option<RouterConfig> {
    match built {
        Ok(router) => Some(router),
        // Noted where they are.
        Err(
            RouterConfigError::Advertisement(AdvertisementError::NoAddresses)
            | RouterConfigError::DuplicateAddress(_),
        ) => None,
        Err(error) => {
            let diagnostic =
                Diagnostic::new(format!("this virtual router is not possible: {error}"));
            report.add(
                diagnostic
                    .at(header)
                    .label("in this section")
                    .help("change what it says"),
            );
            None
        }
    }
}

fn interface(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
    let name = entry.string("eth0", report)?;
    // The kernel's rules: dev_valid_name().
    let valid = (1..16).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace());
    if !valid {
        report.add(
            entry
                .wrong(
                    "not the name of a network interface",
                    "no interface can be called so",
                )
                .help("see `ip link` for the interfaces of this machine"),
        );
    }
    valid.then(|| name.to_owned())
}

fn version(section: &mut Section<'_>, report: &mut Report) -> Version {
    let version = section
        .take("version")
        .and_then(|entry| entry.number(2..=3, report));
    if version == Some(2) {
        Version::V2
    } else {
        Version::V3
    }
}

fn election(section: &mut Section<'_>, version: Version, report: &mut Report) -> Option<Config> {
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
    if wanted {
        return Preempt::Allow {
            delay: delay.unwrap_or_default(),
        };
    }
    if let Some(entry) = delay_entry {
        let wrong = entry.wrong("`preempt_delay` without preemption", "would have no effect");
        report.add(wrong.help("remove this line, or preempt = false"));
    }
    if let Some(entry) = preempt
        && priority.is_some_and(Priority::is_owner)
    {
        let wrong = entry.wrong(
            "the address owner always preempts",
            "priority 255 is the owner",
        );
        // RFC 9568 §6.1, Preempt_Mode.
        report.add(wrong.help("remove this line, or use a priority of at most 254"));
    }
    Preempt::Forbid
}

fn delay(section: &mut Section<'_>, key: &'static str, report: &mut Report) -> Option<Duration> {
    section.take(key)?.duration(A_DAY, report)
}

fn announce(section: &mut Section<'_>, report: &mut Report) -> AnnounceSchedule {
    let mut schedule = AnnounceSchedule::default();
    let Some(entry) = section.take("announce") else {
        return schedule;
    };
    let example = "announce = { again_after = \"5s\", refresh = \"0s\" }";
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

fn source(section: &mut Section<'_>, ipv6: Option<bool>, report: &mut Report) -> Option<IpAddr> {
    let entry = section.take("source")?;
    let source: IpAddr = entry.parsed("an address", "192.0.2.2", report)?;
    if ipv6.is_some_and(|ipv6| ipv6 != source.is_ipv6()) {
        report.add(router_addresses::other_family(
            &entry,
            "the virtual addresses",
        ));
        return None;
    }
    if source.is_multicast() || source.is_unspecified() {
        let wrong = entry.wrong(
            "nothing can be sent from this address",
            "not an address of a host",
        );
        report.add(wrong.help("use an address of this machine, or remove the line"));
        return None;
    }
    Some(source)
}

fn checksum(
    section: &mut Section<'_>,
    version: Version,
    ipv6: Option<bool>,
    report: &mut Report,
) -> Option<ChecksumForm> {
    let entry = section.take("checksum")?;
    let choices = [
        ("pseudo-header", ChecksumForm::PseudoHeader),
        ("message-only", ChecksumForm::MessageOnly),
    ];
    let form = entry.choice(&choices, report)?;
    if version == Version::V2 || ipv6 == Some(true) {
        let wrong = entry.wrong(
            "there is no choice of checksum here",
            "would have no effect",
        );
        report.add(
            wrong.help("remove it: only version 3 over IPv4 has two readings of the standard"),
        );
        return None;
    }
    Some(form)
}

fn accept(section: &mut Section<'_>, report: &mut Report) {
    if let Some(entry) = section.take("accept")
        && entry.boolean(report) == Some(false)
    {
        let wrong = entry.wrong("`accept = false` is not supported yet", "needs firewalling");
        report.add(wrong.help("remove it: packets to the virtual addresses are accepted"));
    }
}

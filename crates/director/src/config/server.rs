//! The section `[[virtual_service.server]]`, and `sorry_server`.

use std::net::IpAddr;
use std::ops::Range;

use locum_ipvs::{Forward, Thresholds, Weight};
use toml::de::DeValue;

use crate::site::{Admin, Notify, RealServer};

use super::check_kinds::Kinds;
use super::check_target::Template;
use super::pool::Pool;
use super::section::{Entry, Report, Section};
use super::service::Shared;
use super::{check, director, document, endpoint, forward, notify};

const TITLE: &str = "[[virtual_service.server]]";
const SORRY: &str = "sorry_server = { address = \"192.0.2.99:80\", forward = \"nat\" }";

/// The kernel's weights are signed.
const HEAVIEST: u32 = 2_147_483_647;

/// An address as it is written: the port may be left out.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) ip: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) span: Range<usize>,
}

/// A server of which only the address was read.
#[derive(Debug)]
pub(super) struct Host<'t> {
    section: Section<'t>,
    place: Option<Place>,
}

impl Host<'_> {
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.place.as_ref().map(|place| place.ip)
    }
}

/// A sorry server as it is written.
#[derive(Debug)]
pub(super) struct SorryHost {
    pub(super) place: Place,
    pub(super) forward: Option<Forward>,
}

impl SorryHost {
    pub(super) fn address(&self) -> IpAddr {
        self.place.ip
    }
}

/// The servers of a service.
pub(super) fn hosts<'t>(section: &mut Section<'t>, report: &mut Report) -> Vec<Host<'t>> {
    let Some(entry) = section.take("server") else {
        return Vec::new();
    };
    let sections = document::tables(&entry, TITLE, report);
    let host = |mut section: Section<'t>| {
        let entry = section.require("address", "\"192.0.2.21:80\"", report);
        Host {
            place: entry.and_then(|entry| place(&entry, report)),
            section,
        }
    };
    sections.into_iter().map(host).collect()
}

fn place(entry: &Entry<'_>, report: &mut Report) -> Option<Place> {
    let (ip, port) = endpoint::server(entry, report)?;
    Some(Place {
        ip,
        port,
        span: entry.span.clone(),
    })
}

pub(super) fn sorry(entry: &Entry<'_>, report: &mut Report) -> Option<SorryHost> {
    if entry.value.is_str() {
        return Some(SorryHost {
            place: place(entry, report)?,
            forward: None,
        });
    }
    let mut section = Section::of("`sorry_server`", SORRY, entry, report)?;
    let address = section.require("address", "\"192.0.2.99:80\"", report);
    let forward = forward::read(&mut section, report);
    section.finish(report);
    Some(SorryHost {
        place: place(&address?, report)?,
        forward,
    })
}

/// The servers, as they are in `pool`.
pub(super) fn read(
    hosts: Vec<Host<'_>>,
    pool: &mut Pool<'_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Box<[RealServer]> {
    // Not collected: that takes room for more than there are.
    let mut servers = Vec::with_capacity(hosts.len());
    for host in hosts {
        servers.extend(server(host, pool, shared, report));
    }
    servers.into_boxed_slice()
}

fn server(
    host: Host<'_>,
    pool: &mut Pool<'_>,
    shared: &mut Shared,
    report: &mut Report,
) -> Option<RealServer> {
    let Host { mut section, place } = host;
    let name = section.take("name");
    let given_name = name
        .as_ref()
        .and_then(|entry| director::name(entry, report));
    let weight = match section.take("weight") {
        Some(entry) => entry
            .number(0..=HEAVIEST, report)
            .and_then(|weight| Weight::new(weight).ok()),
        None => Some(Weight::ONE),
    };
    let forward = forward::read(&mut section, report);
    let thresholds = thresholds(&mut section, report);
    let admin = section
        .take("drain")
        .and_then(|entry| entry.boolean(report))
        .map_or(Admin::Ready, |drain| {
            if drain { Admin::Drain } else { Admin::Ready }
        });
    let check = section.take("check");
    let own = match &check {
        Some(entry) => own_checks(entry, &mut shared.kinds, report),
        None => None,
    };
    let notify = notify::read(&mut section, report);
    section.finish(report);

    let place = place?;
    let (address, forward) = pool.locate(&place, forward, report)?;
    let checks = pool.checks(own.as_deref(), address, &place.span);
    let named = pool.name(
        given_name,
        name.map(|entry| entry.span),
        address,
        &place,
        report,
    )?;
    Some(RealServer {
        name: shared.name(named),
        ip: address.ip(),
        port: address.port(),
        forward,
        weight: weight?,
        thresholds,
        admin,
        checks,
        notify: (notify != Notify::default()).then(|| Box::new(notify)),
    })
}

/// The checks of a server's own; none at all if it says `check = false`.
fn own_checks(entry: &Entry<'_>, kinds: &mut Kinds, report: &mut Report) -> Option<Vec<Template>> {
    match entry.value {
        DeValue::Boolean(false) => Some(Vec::new()),
        DeValue::Boolean(true) => {
            let wrong = entry.wrong("what is to be checked?", "says nothing about how");
            report.add(wrong.help(
                "remove the line for the checks of the service, or write check = { type = \"tcp\" }",
            ));
            None
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => Some(check::read(entry, kinds, report)),
    }
}

fn thresholds(section: &mut Section<'_>, report: &mut Report) -> Option<Thresholds> {
    let entry = section.take("thresholds")?;
    let example = "thresholds = { upper = 1000, lower = 800 }";
    let mut section = Section::of("`thresholds`", example, &entry, report)?;
    let upper = section
        .require("upper", "1000", report)
        .and_then(|entry| entry.number(1..=HEAVIEST, report));
    let lower_entry = section.take("lower");
    let lower = match &lower_entry {
        Some(entry) => entry.number(0..=HEAVIEST, report),
        None => Some(0),
    };
    section.finish(report);
    let (upper, lower) = (upper?, lower?);
    match Thresholds::new(upper, lower) {
        Ok(thresholds) => Some(thresholds),
        Err(_) => {
            let entry = lower_entry.as_ref().unwrap_or(&entry);
            let wrong = entry.wrong("`lower` is above `upper`", format!("more than {upper}"));
            report.add(wrong.help(
                "a server that has `upper` connections gets no more until it has fewer than `lower`",
            ));
            None
        }
    }
}

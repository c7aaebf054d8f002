//! The section `[[virtual_router]]`.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use locum_vrrp::wire::AdvertisementError;
use locum_vrrp::{ChecksumForm, Peer, RouterConfig, RouterConfigError, Version, Vrid};

use crate::notify::StateScripts;

use super::diagnostic::Diagnostic;
use super::document::ReadFile;
use super::router_security::{Reader, Security};
use super::secret::{Files, SecretFile};
use super::section::{Entry, Report, Section};
use super::track::{self, Use};
use super::tracker::Located as Tracker;
use super::{VirtualRouter, director, notify, router_addresses, router_election, router_peers};

/// What was read of a section, with places for messages: enough for the checks across sections even where
/// something else in it is wrong.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) name: Option<(String, Range<usize>)>,
    pub(super) interface: Option<String>,
    pub(super) vrid: Option<(Vrid, Range<usize>)>,
    pub(super) addresses: Vec<(IpNet, Range<usize>)>,
    pub(super) secrets: Vec<SecretFile>,
    pub(super) is_owner: bool,
    pub(super) notify: StateScripts,
    pub(super) track: Vec<Use>,
    router: Option<VirtualRouter>,
}

impl Located {
    /// The whole, if nothing is missing.
    pub(super) fn router(self, trackers: &[Tracker]) -> Option<VirtualRouter> {
        let track = track::resolve(&self.track, trackers);
        let router = self.router?;
        Some(VirtualRouter { track, ..router })
    }
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
    let election = router_election::read(&mut section, version, report);
    let is_owner = election
        .as_ref()
        .is_some_and(|election| election.priority().is_owner());
    let moving: &[(IpNet, Range<usize>)] = if is_owner { &[] } else { &addresses };
    let source = source(&mut section, ipv6, moving, report);
    let peers = router_peers::read(&mut section, ipv6, source, report);
    let mut secrets = Vec::new();
    let security = Reader {
        version,
        ipv6,
        files: Files {
            file,
            secrets: &mut secrets,
        },
    }
    .read(&mut section, report);
    let checksum = checksum(&mut section, version, ipv6, report);
    accept(&mut section, report);
    let notify = notify::states(&mut section, report);
    let track = track::read(&mut section, report);
    section.finish(report);

    let router = match (&name, &interface, &vrid, election) {
        (Some((name, _)), Some(interface), Some((vrid, _)), Some(election)) => {
            let parts = Parts {
                source,
                peers,
                security,
                checksum,
            };
            let addresses: Vec<IpNet> = addresses.iter().map(|&(address, _)| address).collect();
            let built = RouterConfig::new(interface.as_str(), *vrid, addresses, election)
                .and_then(|router| parts.add_to(router));
            note(built, header, report).map(|router| VirtualRouter {
                name: name.clone(),
                router,
                track: Vec::new(),
            })
        }
        _ => None,
    };
    Located {
        name,
        interface,
        vrid,
        addresses,
        secrets,
        is_owner,
        notify,
        track,
        router,
    }
}

/// The optional parts of a router.
struct Parts {
    source: Option<IpAddr>,
    peers: Vec<Peer>,
    security: Option<Security>,
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
        if let Some(security) = self.security {
            router = security.add_to(router)?;
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

pub(super) fn interface(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
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
        .and_then(|entry| entry.number(2..=3_u8, report));
    if version == Some(2) {
        Version::V2
    } else {
        Version::V3
    }
}

fn source(
    section: &mut Section<'_>,
    ipv6: Option<bool>,
    moving: &[(IpNet, Range<usize>)],
    report: &mut Report,
) -> Option<IpAddr> {
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
    if let Some((_, address)) = moving.iter().find(|(moving, _)| moving.addr() == source) {
        let wrong = entry.wrong(
            "a backup has not got this address to send from",
            "a virtual address",
        );
        report.add(
            wrong
                .related(address.clone(), "of this router")
                .help("use an address that this machine always has, or remove the line"),
        );
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

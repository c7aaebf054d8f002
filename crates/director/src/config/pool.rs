//! What the servers of one service share, and what must fit between it and them.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use locum_ipvs::{Forward, ServiceKey};

use crate::site::{Check, Sorry};

use super::check_target::{Misfits, Template, of_server};
use super::crosscheck::Unique;
use super::diagnostic::Diagnostic;
use super::forward;
use super::scheduling::Scheduling;
use super::section::Report;
use super::server::{Place, SorryHost};

/// The service that servers are read for.
#[derive(Debug)]
pub(super) struct Pool<'s> {
    forward: Forward,
    scheduling: Option<&'s Scheduling>,
    templates: &'s [Template],
    port: Port,
    /// The first address of each family.
    ipv4: Option<&'s Range<usize>>,
    ipv6: Option<&'s Range<usize>>,
    /// The first server of another family, by tunnel and otherwise.
    mixed: Option<Range<usize>>,
    unreachable: Option<(Range<usize>, Range<usize>)>,
    addresses: Unique<SocketAddr>,
    names: Unique<String>,
    misfits: Misfits,
}

/// The port of a service.
#[derive(Debug, Clone)]
enum Port {
    /// Its addresses could not be read.
    Unknown,
    /// The same for all addresses; 0 if it is every port.
    One(u16, Range<usize>),
    /// Several.
    Several(Range<usize>),
}

impl<'s> Pool<'s> {
    pub(super) fn new(
        keys: &'s [(ServiceKey, Range<usize>)],
        forward: Forward,
        scheduling: Option<&'s Scheduling>,
        templates: &'s [Template],
    ) -> Self {
        let first = |ipv4: bool| {
            use locum_ipvs::IpFamily;
            let family = if ipv4 { IpFamily::V4 } else { IpFamily::V6 };
            let found = keys.iter().find(|(key, _)| key.family() == family);
            found.map(|(_, span)| span)
        };
        let port = match keys.first() {
            None => Port::Unknown,
            Some((key, span)) => {
                let port = key.port();
                let other = keys.iter().find(|(key, _)| key.port() != port);
                match other {
                    None => Port::One(port, span.clone()),
                    Some((_, other)) => Port::Several(other.clone()),
                }
            }
        };
        Self {
            forward,
            scheduling,
            templates,
            port,
            ipv4: first(true),
            ipv6: first(false),
            mixed: None,
            unreachable: None,
            addresses: Unique::new(),
            names: Unique::new(),
            misfits: Misfits::default(),
        }
    }

    /// Where the server at `place` is for the kernel, and how packets get there.
    pub(super) fn locate(
        &mut self,
        place: &Place,
        forward: Option<Forward>,
        report: &mut Report,
    ) -> Option<(SocketAddr, Forward)> {
        let located = self.reach(place, forward, report)?;
        if let Some(first) = self.addresses.insert(located.0, &place.span) {
            report.add(
                Diagnostic::new(format!("the server {} is there twice", located.0))
                    .at(place.span.clone())
                    .label("the second time")
                    .related(first, "the first")
                    .help("remove one of them, and give the other the `weight` of both"),
            );
            return None;
        }
        Some(located)
    }

    pub(super) fn sorry(&mut self, host: &SorryHost, report: &mut Report) -> Option<Sorry> {
        let (address, forward) = self.reach(&host.place, host.forward, report)?;
        if let Some(server) = self.addresses.insert(address, &host.place.span) {
            report.add(
                Diagnostic::new("the sorry server is one of the servers")
                    .at(host.place.span.clone())
                    .label("serves when nobody else does")
                    .related(server, "this one")
                    .help("use another one; what keeps all servers when all seem down is `mass_failure` in [ipvs]"),
            );
            return None;
        }
        Some(Sorry { address, forward })
    }

    fn reach(
        &mut self,
        place: &Place,
        forward: Option<Forward>,
        report: &mut Report,
    ) -> Option<(SocketAddr, Forward)> {
        let forward = forward.unwrap_or(self.forward);
        self.family(place, forward);
        let port = self.port(place, forward, report)?;
        Some((SocketAddr::new(place.ip, port), forward))
    }

    fn family(&mut self, place: &Place, forward: Forward) {
        let other = match place.ip {
            IpAddr::V4(_) => self.ipv6,
            IpAddr::V6(_) => self.ipv4,
        };
        let Some(service) = other else {
            return;
        };
        if let Forward::Tunnel(_) = forward {
            self.mixed.get_or_insert_with(|| place.span.clone());
        } else {
            let places = || (place.span.clone(), service.clone());
            self.unreachable.get_or_insert_with(places);
        }
    }

    fn port(&self, place: &Place, forward: Forward, report: &mut Report) -> Option<u16> {
        let rewritten = forward == Forward::Masquerade;
        let (message, label, related, help) = match (&self.port, place.port) {
            (Port::Unknown, port) => return Some(port.unwrap_or(0)),
            (Port::One(port, _), None) => return Some(*port),
            (Port::Several(_), None) => return Some(0),
            (_, Some(port)) if rewritten => return Some(port),
            (Port::One(service, _), Some(port)) if *service == port => return Some(port),
            (Port::One(service, span), Some(port)) => (
                format!("the port cannot change from {service} to {port}"),
                if *service == 0 {
                    "packets keep the port that the client uses".to_owned()
                } else {
                    format!("packets arrive at port {service}")
                },
                span,
                if *service == 0 {
                    "leave the port out; a check has a `port` of its own"
                } else {
                    "leave the port out, or use forward = \"nat\", the only one that changes ports"
                },
            ),
            (Port::Several(span), Some(port)) => (
                format!("the port cannot be {port} for all addresses of the service"),
                "packets keep the port that the client uses".to_owned(),
                span,
                "leave the port out; a check has a `port` of its own",
            ),
        };
        let diagnostic = Diagnostic::new(message).at(place.span.clone());
        report.add(
            diagnostic
                .label(format!(
                    "{label}: forward is \"{}\"",
                    forward::word(forward)
                ))
                .related(related.clone(), "the service")
                .help(help),
        );
        None
    }

    /// The name of a server: what it is given, or its address.
    pub(super) fn name(
        &mut self,
        given: Option<String>,
        span: Option<Range<usize>>,
        address: SocketAddr,
        place: &Place,
        report: &mut Report,
    ) -> Option<String> {
        let span = span.unwrap_or_else(|| place.span.clone());
        let name = given.unwrap_or_else(|| match address.port() {
            0 => address.ip().to_string(),
            _ => address.to_string(),
        });
        if let Some(first) = self.names.insert(name.clone(), &span) {
            report.add(
                Diagnostic::new(format!("two servers of this service are called \"{name}\""))
                    .at(span)
                    .label("the second")
                    .related(first, "the first")
                    .help("give one of them another name"),
            );
            return None;
        }
        Some(name)
    }

    /// The checks of a server at `address`: its `own`, or the service's.
    pub(super) fn checks(
        &mut self,
        own: Option<&[Template]>,
        address: SocketAddr,
        place: &Range<usize>,
    ) -> Box<[Check]> {
        if let Port::Unknown = self.port {
            return Box::default();
        }
        let templates = own.unwrap_or(self.templates);
        let hashes = self.scheduling.and_then(Scheduling::hashes);
        of_server(templates, address, place, hashes, &mut self.misfits)
    }

    /// Notes what does not fit; the first server of another family, if that is possible.
    pub(super) fn finish(self, report: &mut Report) -> Option<Range<usize>> {
        if let Some((server, service)) = self.unreachable {
            report.add(
                Diagnostic::new("the server is of another family than the service")
                    .at(server)
                    .label("only a tunnel leads there")
                    .related(service, "the service")
                    .help("use forward = \"tunnel\", or a [[virtual_service]] for each family"),
            );
        }
        self.misfits.note(report);
        self.mixed
    }
}

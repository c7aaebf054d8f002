//! Who is told of what happens: `[notify]`, what sections have in common, and services.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use locum_ipvs::ServiceKey;

use crate::notify::{Notification, ServiceNotice, Topic, connector};
use crate::site::{Notify, VirtualService};

use super::secret::Files;
use super::section::{Entry, Report, Section};
use super::{mail, webhook};

/// Everybody who is told, but for programs, which are named where that belongs which they are told of.
pub(super) fn read(
    top: &mut Section<'_>,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Notification {
    let mut notification = Notification::default();
    if let Some(entry) = top.take("notify") {
        notification.fifo = fifo(&entry, report);
    }
    if let Some(entry) = top.take("mail") {
        notification.mail = mail::read(&entry, files, report);
    }
    notification.webhooks = webhook::read(top, files, report);
    notification
}

fn fifo(entry: &Entry<'_>, report: &mut Report) -> Option<PathBuf> {
    let mut section = Section::of("[notify]", "[notify]", entry, report)?;
    let fifo = section.require("fifo", "\"/run/director/notify.fifo\"", report);
    let fifo = fifo.and_then(|entry| path(&entry, "/run/director/notify.fifo", report));
    section.finish(report);
    fifo
}

fn path(entry: &Entry<'_>, example: &str, report: &mut Report) -> Option<PathBuf> {
    let text = entry.string(example, report)?;
    if !Path::new(text).is_absolute() || text.contains('\0') {
        let wrong = entry.wrong("not an absolute path", "relative to what?");
        report.add(wrong.help(format!("write the whole path, as in \"{example}\"")));
        return None;
    }
    Some(PathBuf::from(text))
}

/// The file of authorities to trust, which is of no use where nothing is verified.
pub(super) fn authorities(
    entry: &Entry<'_>,
    in_the_clear: Option<&Entry<'_>>,
    report: &mut Report,
) -> Option<PathBuf> {
    let path = path(entry, "/etc/director/ca.pem", report)?;
    if let Some(clear) = in_the_clear {
        let wrong = entry.wrong("`ca_file` without TLS", "would have no effect");
        report.add(
            wrong
                .related(clear.span.clone(), "nothing is verified")
                .help("remove one of the two lines"),
        );
        return None;
    }
    if let Err(why) = connector(Some(&path)) {
        let wrong = entry.wrong("no authority can be trusted that is in this file", why);
        report.add(wrong.help("put the certificates there, in the form PEM"));
        return None;
    }
    Some(path)
}

/// What is told.
pub(super) fn events(
    section: &mut Section<'_>,
    usual: BTreeSet<Topic>,
    report: &mut Report,
) -> BTreeSet<Topic> {
    let Some(entry) = section.take("events") else {
        return usual;
    };
    let words = entry.strings("router", report);
    if entry.value.as_array().is_some_and(|array| array.is_empty()) {
        let wrong = entry.wrong("nothing is told", "empty");
        report.add(wrong.help("write events = [\"router\"], or remove the section"));
    }
    let topics = words.iter();
    topics
        .filter_map(|(_, entry)| entry.choice(&Topic::ALL, report))
        .collect()
}

/// Whether programs are told of `service` or its servers.
pub(super) fn programs(service: &VirtualService) -> bool {
    let mut servers = service.servers.iter();
    service.notify != Notify::default() || servers.any(|server| server.notify.is_some())
}

/// What is told of `service`.
pub(super) fn notice(service: &VirtualService) -> ServiceNotice {
    let mut notice = ServiceNotice {
        notify: service.notify.clone(),
        ..ServiceNotice::default()
    };
    for kernel in &service.kernel {
        let (key, protocol) = words(kernel.key());
        notice.keys.push(key);
        notice.protocol = protocol;
    }
    let told = service.servers.iter().filter_map(|server| {
        let notify = server.notify.as_deref()?.clone();
        Some((server.name.to_string(), notify))
    });
    notice.servers = told.collect();
    notice
}

/// As keepalived writes it.
fn words(key: &ServiceKey) -> (String, String) {
    match *key {
        ServiceKey::Endpoint {
            protocol,
            address,
            port,
        } => {
            let protocol = protocol.to_string();
            (format!("[{address}]:{protocol}:{port}"), protocol)
        }
        ServiceKey::FirewallMark { mark, .. } => (format!("FWM {mark}"), "none".to_owned()),
    }
}

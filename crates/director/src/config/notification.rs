//! The sections `[notify]`, `[mail]` and `[[webhook]]`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::Authority;
use lettre::message::Mailbox;

use crate::notify::{Mail, MailTls, Notification, Rate, Secret, Topic, Webhook, connector};

use super::crosscheck::Unique;
use super::diagnostic::Diagnostic;
use super::document;
use super::secret::{Files, Places};
use super::section::{Entry, Report, Section};

const MAIL: &str = "[mail]";
const WEBHOOK: &str = "[[webhook]]";
const SERVER: &str = "mail.example.com:587";
const SENDER: &str = "director@example.com";
const RECIPIENT: &str = "ops@example.com";
const URL: &str = "https://hooks.example.com/director";
const RATE: &str = "10/h";

const AN_HOUR: Duration = Duration::from_secs(60 * 60);
const DIGEST: Duration = Duration::from_secs(30);
const AT_MOST: Rate = Rate {
    count: 20,
    per: AN_HOUR,
};
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// What administrators want to know if they do not say.
const MAILED: [Topic; 6] = [
    Topic::Group,
    Topic::Process,
    Topic::Quorum,
    Topic::Reload,
    Topic::Router,
    Topic::Server,
];

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
        notification.mail = mail(&entry, files, report);
    }
    let mut seen = Unique::new();
    for section in document::sections(top, "webhook", WEBHOOK, report) {
        let Some((webhook, span)) = webhook(section, files, report) else {
            continue;
        };
        if let Some(first) = seen.insert(webhook.url.to_string(), &span) {
            report.add(
                Diagnostic::new(format!("two webhooks have the URL {}", webhook.url))
                    .at(span)
                    .label("the second")
                    .related(first, "the first")
                    .help("remove one of them, and put its `events` into the other"),
            );
        }
        notification.webhooks.push(webhook);
    }
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

fn mail(entry: &Entry<'_>, files: &mut Files<'_>, report: &mut Report) -> Option<Mail> {
    let mut section = Section::of(MAIL, MAIL, entry, report)?;
    let server = section
        .require("server", &format!("\"{SERVER}\""), report)
        .and_then(|entry| host_and_port(&entry, report));
    let protection = section.take("tls");
    let tls = match &protection {
        Some(entry) => entry.choice(
            &[
                ("starttls", MailTls::Starttls),
                ("tls", MailTls::Tls),
                ("none", MailTls::None),
            ],
            report,
        ),
        None => Some(MailTls::Starttls),
    };
    let in_the_clear = protection.filter(|_| tls == Some(MailTls::None));
    let authority = section.take("ca_file");
    let ca_file = authority.and_then(|entry| authorities(&entry, in_the_clear.as_ref(), report));
    let login = login(&mut section, entry, in_the_clear.as_ref(), files, report);
    let from = section
        .require("from", &format!("\"{SENDER}\""), report)
        .and_then(|entry| entry.parsed::<Mailbox>("a mail address", SENDER, report));
    let to = section
        .require("to", &format!("[\"{RECIPIENT}\"]"), report)
        .map(|entry| recipients(&entry, report));
    let events = events(&mut section, MAILED.into(), report);
    let digest = section.take("digest").map_or(Some(DIGEST), |entry| {
        entry.duration_within(Duration::ZERO..=AN_HOUR, report)
    });
    let at_most = section
        .take("at_most")
        .map_or(Some(AT_MOST), |entry| rate(&entry, report));
    section.finish(report);
    let (host, port) = server?;
    let tls = tls?;
    let usual = match tls {
        MailTls::None => 25,
        MailTls::Starttls => 587,
        MailTls::Tls => 465,
    };
    Some(Mail {
        host,
        port: port.unwrap_or(usual),
        tls,
        ca_file,
        login: login?,
        from: from?,
        to: to?,
        events,
        digest: digest?,
        at_most: at_most?,
    })
}

fn host_and_port(entry: &Entry<'_>, report: &mut Report) -> Option<(String, Option<u16>)> {
    let text = entry.string(SERVER, report)?;
    let parsed = text.parse::<Authority>().ok();
    let port_is_fine = |parsed: &Authority| {
        parsed.port().is_none() || parsed.port_u16().is_some_and(|port| port > 0)
    };
    let parsed = parsed.filter(|parsed| !text.contains('@') && port_is_fine(parsed));
    let Some(parsed) = parsed.filter(|parsed| !parsed.host().is_empty()) else {
        let wrong = entry.wrong("this is not a mail server", "not a host and a port");
        report.add(wrong.help(format!(
            "write it like \"{SERVER}\" or \"[2001:db8::25]:25\""
        )));
        return None;
    };
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), parsed.port_u16()))
}

fn authorities(
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

/// Whom mail is sent as: nobody in particular, or as soon as something is wrong nothing.
#[expect(clippy::option_option, reason = "the outer one is a mistake")]
fn login(
    section: &mut Section<'_>,
    mail: &Entry<'_>,
    in_the_clear: Option<&Entry<'_>>,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<Option<(String, Secret)>> {
    let user = section.take("user");
    let file = section.take("password_file");
    let credential = section.take("credential");
    let Some(user) = user else {
        let Some(alone) = file.or(credential) else {
            return Some(None);
        };
        let wrong = alone.wrong("a password without `user`", "whose is it?");
        report.add(wrong.help("add user = \"director\", or remove this line"));
        return None;
    };
    if let Some(clear) = in_the_clear {
        let wrong = clear.wrong("the password would go in the clear", "no TLS");
        report.add(
            wrong
                .related(user.span.clone(), "sends a password")
                .help("use tls = \"starttls\" or \"tls\", or remove `user` and its password"),
        );
    }
    let name = user.string("director", report);
    let found = Places {
        what: "password",
        inline: None,
        file,
        credential,
        missing: Some("neither `password_file` nor `credential`"),
        example: "password_file = \"/etc/director/mail.password\"",
    }
    .read(files, mail, report)?;
    Some(Some((name?.to_owned(), Secret(found.text))))
}

fn recipients(entry: &Entry<'_>, report: &mut Report) -> Vec<Mailbox> {
    let texts = entry.strings(RECIPIENT, report);
    if entry.value.as_array().is_some_and(|array| array.is_empty()) {
        let wrong = entry.wrong("nobody gets the mail", "empty");
        report.add(wrong.help(format!("write to = [\"{RECIPIENT}\"]")));
    }
    let boxes = texts
        .iter()
        .filter_map(|(_, entry)| entry.parsed::<Mailbox>("a mail address", RECIPIENT, report));
    boxes.collect()
}

fn events(
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

/// `10/h`.
fn rate(entry: &Entry<'_>, report: &mut Report) -> Option<Rate> {
    let text = entry.string(RATE, report)?;
    let rate = text.split_once('/').and_then(|(count, unit)| {
        let seconds = match unit {
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=1000).contains(count));
        Some(Rate {
            count: count?,
            per: Duration::from_secs(seconds),
        })
    });
    if rate.is_none() {
        let wrong = entry.wrong("this is not a rate", "not a number and a time");
        report.add(wrong.help(format!(
            "write a number from 1 to 1000 and m, h or d, as in \"{RATE}\""
        )));
    }
    rate
}

fn webhook(
    mut section: Section<'_>,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<(Webhook, Range<usize>)> {
    let place = section.require("url", &format!("\"{URL}\""), report);
    let url = place.as_ref().and_then(|entry| url(entry, report));
    let is_plain = url
        .as_ref()
        .is_some_and(|url| url.scheme_str() == Some("http"));
    let in_the_clear = place.as_ref().filter(|_| is_plain);
    let all = Topic::ALL.into_iter().map(|(_, topic)| topic).collect();
    let events = events(&mut section, all, report);
    let headers = section
        .take("header")
        .map(|entry| headers(&entry, report))
        .unwrap_or_default();
    let token = token(&mut section, in_the_clear, files, report);
    let timeout = section.take("timeout").map_or(Some(TEN_SECONDS), |entry| {
        entry.duration_within(Duration::from_millis(100)..=AN_HOUR, report)
    });
    let authority = section.take("ca_file");
    let ca_file = authority.and_then(|entry| authorities(&entry, in_the_clear, report));
    section.finish(report);
    let webhook = Webhook {
        url: url?,
        events,
        headers,
        token,
        timeout: timeout?,
        ca_file,
    };
    Some((webhook, place?.span))
}

fn url(entry: &Entry<'_>, report: &mut Report) -> Option<Uri> {
    let uri: Uri = entry.parsed("a URL", URL, report)?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let label = if !matches!(uri.scheme_str(), Some("http" | "https")) {
        "neither http nor https"
    } else if authority.contains('@') {
        "a password does not belong here"
    } else if uri.host().unwrap_or_default().is_empty() {
        "no host"
    } else {
        return Some(uri);
    };
    let wrong = entry.wrong("events cannot be sent to this URL", label);
    report.add(wrong.help(format!(
        "write it like \"{URL}\"; a secret goes into `token_file`"
    )));
    None
}

fn token(
    section: &mut Section<'_>,
    in_the_clear: Option<&Entry<'_>>,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Option<Secret> {
    let file = section.take("token_file");
    let credential = section.take("credential");
    let entry = file.clone().or_else(|| credential.clone())?;
    if let Some(clear) = in_the_clear {
        let wrong = clear.wrong("the token would go in the clear", "no TLS");
        report.add(
            wrong
                .related(entry.span.clone(), "is sent there")
                .help("use https, or remove the token"),
        );
    }
    let found = Places {
        what: "token",
        inline: None,
        file,
        credential,
        missing: None,
        example: "token_file = \"/etc/director/hook.token\"",
    }
    .read(files, &entry, report)?;
    if HeaderValue::try_from(format!("Bearer {}", found.text)).is_err() {
        let wrong = found
            .entry
            .wrong("this cannot be a token", "not one line of text");
        report.add(wrong.help("put a token of visible ASCII characters there"));
        return None;
    }
    Some(Secret(found.text))
}

fn headers(entry: &Entry<'_>, report: &mut Report) -> Vec<(HeaderName, HeaderValue)> {
    let example = "X-Site: a";
    let lines = entry.strings(example, report);
    let headers = lines.into_iter().filter_map(|(text, entry)| {
        let header = text
            .split_once(':')
            .and_then(|(name, value)| Some((name.parse().ok()?, value.trim().parse().ok()?)));
        if header.is_none() {
            let wrong = entry.wrong(
                "this is not a line of a head",
                "not a name, `:` and a value",
            );
            report.add(wrong.help(format!("write it like \"{example}\"")));
        }
        header
    });
    headers.collect()
}

/// Services of which somebody is told.
pub(super) mod services {
    use locum_ipvs::ServiceKey;

    use crate::notify::ServiceNotice;
    use crate::site::{Notify, VirtualService};

    /// What is told of `service`, and whether programs are told.
    pub(in super::super) fn notice(service: &VirtualService) -> (ServiceNotice, bool) {
        let mut notice = ServiceNotice {
            notify: service.notify.clone(),
            ..ServiceNotice::default()
        };
        for kernel in &service.kernel {
            let (key, protocol) = words(kernel.key());
            notice.keys.push(key);
            notice.protocol = protocol;
        }
        let told = service
            .servers
            .iter()
            .filter(|one| one.notify != Notify::default());
        notice.servers = told
            .map(|server| (server.name.to_string(), server.notify.clone()))
            .collect();
        let by_programs = notice.notify != Notify::default() || !notice.servers.is_empty();
        (notice, by_programs)
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
}

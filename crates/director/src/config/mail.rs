//! The section `[mail]`.

use std::time::Duration;

use hyper::http::uri::Authority;
use lettre::message::Mailbox;

use crate::notify::{Mail, MailTls, Rate, Secret, Topic};

use super::notification::{authorities, events};
use super::secret::{Files, Places};
use super::section::{Entry, Report, Section};

const MAIL: &str = "[mail]";
const SERVER: &str = "mail.example.com:587";
const SENDER: &str = "director@example.com";
const RECIPIENT: &str = "ops@example.com";
const RATE: &str = "10/h";

const AN_HOUR: Duration = Duration::from_secs(60 * 60);
const DIGEST: Duration = Duration::from_secs(30);
const AT_MOST: Rate = Rate {
    count: 20,
    per: AN_HOUR,
};

/// What administrators want to know if they do not say.
const MAILED: [Topic; 6] = [
    Topic::Group,
    Topic::Process,
    Topic::Quorum,
    Topic::Reload,
    Topic::Router,
    Topic::Server,
];

pub(super) fn read(entry: &Entry<'_>, files: &mut Files<'_>, report: &mut Report) -> Option<Mail> {
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

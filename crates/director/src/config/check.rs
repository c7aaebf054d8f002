//! `check`: how servers are checked.

use std::ops::Range;
use std::sync::Arc;

use locum_health::icmp::IcmpConfig;
use locum_health::tcp::TcpConfig;

use crate::site::CheckKind;

use super::check_kinds::{Kinds, Places};
use super::check_target::Template;
use super::section::{Entry, Report, Section};
use super::{
    check_dns, check_exec, check_http, check_socket, check_tcp, check_timing, check_tls, endpoint,
};

const TITLE: &str = "this check";
const EXAMPLE: &str = "check = { type = \"tcp\" }";

/// What this machine calls itself to a server of SMTP, unless the file says otherwise.
const HELO: &str = "director.invalid";

/// What `type` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Dns,
    Exec,
    Ftp,
    Http,
    Https,
    Icmp,
    Smtp,
    Tcp,
    Telnet,
    Tls,
}

const TYPES: [(&str, Type); 10] = [
    ("http", Type::Http),
    ("https", Type::Https),
    ("tcp", Type::Tcp),
    ("tls", Type::Tls),
    ("icmp", Type::Icmp),
    ("dns", Type::Dns),
    ("exec", Type::Exec),
    ("ftp", Type::Ftp),
    ("smtp", Type::Smtp),
    ("telnet", Type::Telnet),
];

/// Keys that only some types have, with these.
const OWN_KEYS: [(&[&str], &[&str]); 9] = [
    (
        &["method", "host", "headers", "pages", "path", "status"],
        &["http", "https"],
    ),
    (
        &["contains", "matches", "matches_not", "sha256", "md5"],
        &["http", "https"],
    ),
    (&check_tls::KEYS, &["https", "tls"]),
    (&["steps"], &["tcp", "tls"]),
    (
        &["name", "record", "transport", "codes", "answer"],
        &["dns"],
    ),
    (&["program", "user", "dynamic_weight"], &["exec"]),
    (&["helo"], &["smtp"]),
    (
        &["source", "device", "mark"],
        &[
            "http", "https", "tcp", "tls", "icmp", "dns", "ftp", "smtp", "telnet",
        ],
    ),
    (
        &["port"],
        &[
            "http", "https", "tcp", "tls", "dns", "exec", "ftp", "smtp", "telnet",
        ],
    ),
];

/// Reads one check, or an array of them.
pub(super) fn read(entry: &Entry<'_>, kinds: &mut Kinds, report: &mut Report) -> Vec<Template> {
    let entries = entry.one_or_many();
    entries
        .iter()
        .filter_map(|entry| template(entry, kinds, report))
        .collect()
}

fn template(entry: &Entry<'_>, kinds: &mut Kinds, report: &mut Report) -> Option<Template> {
    let mut section = Section::of(TITLE, EXAMPLE, entry, report)?;
    let span = section.header();
    let mistakes = report.0.len();
    let type_entry = section.require("type", "\"tcp\"", report);
    let choice = type_entry
        .as_ref()
        .and_then(|entry| Some((entry.choice(&TYPES, report)?, entry)));
    let timing = check_timing::read(&mut section, report);
    let address = section
        .take("address")
        .and_then(|entry| probed_address(&entry, report));
    // Which other keys there are depends on the type.
    let (choice, type_entry) = choice?;
    let port = if choice == Type::Icmp {
        None
    } else {
        let entry = section.take("port");
        entry.and_then(|entry| entry.number(1..=u16::MAX, report))
    };
    let mut places = Places::new(type_entry.span.clone());
    let read = kind(&mut section, choice, &mut places, report);
    misplaced(&mut section, type_entry, report);
    section.finish(report);
    if report.0.len() > mistakes {
        return None;
    }
    let Read {
        kind,
        source,
        dynamic_weight,
    } = read?;
    Some(Template {
        kind: kinds.share(kind, &places, report)?,
        timing: Arc::new(timing?),
        address,
        port,
        source,
        dynamic_weight,
        span,
    })
}

/// What was read of the keys that depend on the type.
struct Read {
    kind: CheckKind,
    source: Option<check_socket::Source>,
    dynamic_weight: Option<Range<usize>>,
}

fn kind(
    section: &mut Section<'_>,
    choice: Type,
    places: &mut Places,
    report: &mut Report,
) -> Option<Read> {
    if choice == Type::Exec {
        let (config, dynamic_weight) = check_exec::read(section, report)?;
        return Some(Read {
            kind: CheckKind::Exec(config),
            source: None,
            dynamic_weight,
        });
    }
    let (socket, source) = check_socket::read(section, report);
    let preset = |mut config: TcpConfig| {
        config.socket = socket.clone();
        CheckKind::Tcp(config)
    };
    let kind = match choice {
        Type::Http => CheckKind::Http(check_http::read(section, socket, places, report)),
        Type::Https => {
            let mut config = check_http::read(section, socket, places, report);
            let host = config.host.as_deref();
            config.tls = Some(check_tls::read(section, host, places, report));
            CheckKind::Http(config)
        }
        Type::Tcp => CheckKind::Tcp(check_tcp::read(section, socket, places, report)?),
        Type::Tls => {
            let config = check_tcp::read(section, socket, places, report);
            let tls = check_tls::read(section, None, places, report);
            let mut config = config?;
            config.tls = Some(tls);
            CheckKind::Tcp(config)
        }
        Type::Icmp => {
            let mut config = IcmpConfig::default();
            config.socket = socket;
            CheckKind::Icmp(config)
        }
        Type::Dns => CheckKind::Dns(check_dns::read(section, socket, places, report)),
        Type::Ftp => preset(TcpConfig::ftp()),
        Type::Smtp => {
            let helo = section.take("helo");
            let helo = helo.and_then(|entry| check_tcp::helo(&entry, report));
            preset(TcpConfig::smtp(helo.as_deref().unwrap_or(HELO)))
        }
        Type::Telnet => preset(TcpConfig::telnet()),
        Type::Exec => return None,
    };
    Some(Read {
        kind,
        source,
        dynamic_weight: None,
    })
}

/// Notes keys that only checks of other types have.
fn misplaced(section: &mut Section<'_>, type_entry: &Entry<'_>, report: &mut Report) {
    let own = type_entry.value.as_str().unwrap_or_default();
    for (keys, types) in OWN_KEYS {
        if types.contains(&own) {
            continue;
        }
        for &key in keys {
            let Some(entry) = section.take_quietly(key) else {
                continue;
            };
            let message = format!("`{key}` in a check of type \"{own}\"");
            let help = match types {
                [one] => format!("remove it: only \"{one}\" has it"),
                [one, other] => format!("remove it: only \"{one}\" and \"{other}\" have it"),
                _ => format!("remove it: \"{own}\" has none"),
            };
            let wrong = entry.wrong(message, "would have no effect");
            report.add(
                wrong
                    .related(type_entry.span.clone(), "of this type")
                    .help(help),
            );
        }
    }
}

fn probed_address(entry: &Entry<'_>, report: &mut Report) -> Option<std::net::IpAddr> {
    let (address, port) = endpoint::server(entry, report)?;
    let Some(port) = port else {
        return Some(address);
    };
    let wrong = entry.wrong("the address has a port", "`port` is a key of its own");
    report.add(wrong.help(format!("write address = \"{address}\" and port = {port}")));
    None
}

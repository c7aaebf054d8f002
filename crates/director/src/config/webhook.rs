//! Sections `[[webhook]]`.

use std::ops::Range;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use crate::notify::{Secret, Topic, Webhook};

use super::crosscheck::Unique;
use super::diagnostic::Diagnostic;
use super::document;
use super::notification::{authorities, events};
use super::secret::{Files, Places};
use super::section::{Entry, Report, Section};

const WEBHOOK: &str = "[[webhook]]";
const URL: &str = "https://hooks.example.com/director";

const AN_HOUR: Duration = Duration::from_secs(60 * 60);
const TEN_SECONDS: Duration = Duration::from_secs(10);

pub(super) fn read(
    top: &mut Section<'_>,
    files: &mut Files<'_>,
    report: &mut Report,
) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    let mut seen = Unique::new();
    for section in document::sections(top, "webhook", WEBHOOK, report) {
        let Some((webhook, span)) = one(section, files, report) else {
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
        webhooks.push(webhook);
    }
    webhooks
}

fn one(
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

//! Checks of type `http` and `https`.

use locum_health::SocketOptions;
use locum_health::http::{BodyRule, HttpConfig, Page};
use toml::de::DeValue;

use super::check_kinds::Places;
use super::check_tls;
use super::section::{Entry, Report, Section};

const PAGES: &str = "pages = [{ path = \"/\", status = [200, \"300-399\"], contains = \"ok\" }]";
const STATUS: &str = "200";

/// The keys of a page, which can stand in the check itself if there is only one.
const PAGE_KEYS: [&str; 7] = [
    "path",
    "status",
    "contains",
    "matches",
    "matches_not",
    "sha256",
    "md5",
];

/// Reads the keys; TLS is not among them.
pub(super) fn read(
    section: &mut Section<'_>,
    socket: SocketOptions,
    places: &mut Places,
    report: &mut Report,
) -> HttpConfig {
    let mut http = HttpConfig::default();
    http.socket = socket;
    if let Some(entry) = section.take("method")
        && let Some(method) = method(&entry, report)
    {
        http.method = method;
    }
    if let Some(entry) = section.take("host") {
        http.host = host(&entry, places, report);
    }
    if let Some(entry) = section.take("headers") {
        http.headers = headers(&entry, places, report);
    }
    http.pages = match section.take("pages") {
        Some(entry) => {
            for key in PAGE_KEYS {
                if let Some(single) = section.take(key) {
                    let wrong = single.wrong(format!("`{key}` beside `pages`"), "of which page?");
                    report.add(
                        wrong
                            .related(entry.span.clone(), "the pages")
                            .help("put it into one of the pages"),
                    );
                }
            }
            pages(&entry, &http.method, places, report)
        }
        None => vec![page(section, &http.method, places, report)],
    };
    http
}

fn method(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
    let text = entry.string("GET", report)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(text.to_owned());
    }
    let label = if text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        "methods are written in capitals"
    } else {
        "not a method"
    };
    let wrong = entry.wrong(format!("unknown `method` \"{text}\""), label);
    report.add(wrong.help("write it like \"GET\", \"HEAD\" or \"OPTIONS\""));
    None
}

fn host(entry: &Entry<'_>, places: &mut Places, report: &mut Report) -> Option<String> {
    let text = entry.string("www.example.com", report)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    if text.is_empty() || !text.bytes().all(fits) {
        let wrong = entry.wrong("not a host", "this cannot be in the header Host");
        report.add(wrong.help(
            "write a name, and a port if it is not the usual one, as in \"www.example.com:8080\"",
        ));
        return None;
    }
    places.add(text, entry);
    places.add(&check_tls::without_port(text), entry);
    Some(text.to_owned())
}

fn headers(entry: &Entry<'_>, places: &mut Places, report: &mut Report) -> Vec<(String, String)> {
    let example = "headers = { X-Check = \"1\" }";
    let DeValue::Table(table) = entry.value else {
        report.add(entry.mistyped("a table", &format!("write {example}")));
        return Vec::new();
    };
    let mut headers = Vec::with_capacity(table.len());
    for (name, value) in table.iter() {
        let place = Entry {
            key: entry.key,
            value: value.get_ref(),
            span: value.span(),
        };
        let name_place = Entry {
            span: name.span(),
            ..place.clone()
        };
        let Some(text) = value.get_ref().as_str() else {
            let wrong = place.wrong("the value of a header is a string", "this is none");
            report.add(wrong.help(format!("write it in quotes, as in {example}")));
            continue;
        };
        let name: &str = name.get_ref();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            let wrong = name_place.wrong("not the name of a header", "has other characters");
            report.add(wrong.help("use letters, digits and `-`"));
        } else if name.eq_ignore_ascii_case("host") {
            let wrong = name_place.wrong("`Host` is a key of its own", "would be there twice");
            report.add(wrong.help(format!("write host = \"{text}\" instead")));
        } else if text.chars().any(|c| c.is_control() && c != '\t') {
            let wrong = place.wrong("a header is one line", "has a control character");
            report.add(wrong.help("remove it"));
        } else {
            places.add(name, &name_place);
            headers.push((name.to_owned(), text.to_owned()));
        }
    }
    headers
}

fn pages(entry: &Entry<'_>, method: &str, places: &mut Places, report: &mut Report) -> Vec<Page> {
    let elements = entry.elements("{ path = \"/\" }", report);
    let elements = elements.unwrap_or_default();
    if entry.value.as_array().is_some_and(|array| array.is_empty()) {
        let wrong = entry.wrong("there is no page", "empty");
        report.add(wrong.help(format!("write {PAGES}, or remove the line")));
    }
    let page = |element: &Entry<'_>| {
        let mut section = Section::of("this page", PAGES, element, report)?;
        let read = page(&mut section, method, places, report);
        section.finish(report);
        Some(read)
    };
    elements.iter().filter_map(page).collect()
}

fn page(section: &mut Section<'_>, method: &str, places: &mut Places, report: &mut Report) -> Page {
    let mut page = Page::new("/");
    if let Some(entry) = section.take("path")
        && let Some(path) = path(&entry, report)
    {
        places.add(&path, &entry);
        page.path = path;
    }
    if let Some(entry) = section.take("status")
        && let Some(statuses) = statuses(&entry, report)
    {
        page.status = statuses;
    }
    let mut first = None;
    for (key, rule) in [
        ("contains", BodyRule::Contains as fn(String) -> BodyRule),
        ("matches", BodyRule::Matches),
        ("matches_not", BodyRule::MatchesNot),
    ] {
        let Some(entry) = section.take(key) else {
            continue;
        };
        for (text, place) in entry.strings("ok", report) {
            if text.is_empty() {
                let wrong = place.wrong(format!("`{key}` of nothing"), "empty");
                report.add(wrong.help("write what the page has, or remove it"));
            }
            places.add(text, &place);
            page.body.push(rule(text.to_owned()));
        }
        first.get_or_insert(entry);
    }
    if let Some(entry) = section.take("sha256") {
        page.body
            .extend(digest(&entry, report).map(BodyRule::Sha256));
        first.get_or_insert(entry);
    }
    if let Some(entry) = section.take("md5") {
        page.body.extend(digest(&entry, report).map(BodyRule::Md5));
        first.get_or_insert(entry);
    }
    if let Some(entry) = first
        && method == "HEAD"
    {
        let message = format!("`{}` with method = \"HEAD\"", entry.key);
        let wrong = entry.wrong(message, "the answer to HEAD has no body");
        report.add(wrong.help("remove it, or use method = \"GET\""));
    }
    page
}

fn path(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
    let text = entry.string("/healthz", report)?;
    let (label, help) = if !text.starts_with('/') {
        (
            "does not begin with `/`",
            format!("write \"/{text}\"; a host is a key of its own: host = \"www.example.com\""),
        )
    } else if text.contains('#') {
        ("what is behind `#` is never sent", "remove it".to_owned())
    } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text.to_owned());
    } else {
        (
            "has characters that a path cannot have",
            "write them as %XX, a space as %20".to_owned(),
        )
    };
    report.add(entry.wrong("not a path", label).help(help));
    None
}

fn statuses(entry: &Entry<'_>, report: &mut Report) -> Option<Vec<(u16, u16)>> {
    let elements = if entry.value.is_array() {
        entry.elements(STATUS, report)?
    } else {
        vec![entry.clone()]
    };
    if elements.is_empty() {
        let wrong = entry.wrong("no status would pass", "empty");
        report.add(wrong.help("write status = [200, \"300-399\"], or remove the line"));
        return None;
    }
    let ranges: Vec<_> = elements
        .iter()
        .map(|element| status(element, report))
        .collect();
    ranges.into_iter().collect()
}

fn status(entry: &Entry<'_>, report: &mut Report) -> Option<(u16, u16)> {
    if entry.value.is_integer() {
        let status = entry.number(100..=599, report)?;
        return Some((status, status));
    }
    let Some(text) = entry.value.as_str() else {
        report.add(entry.mistyped("numbers and ranges", "write it like [200, \"300-399\"]"));
        return None;
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
        (Ok(low), Ok(high)) if (100..=599).contains(&low) && (low..=599).contains(&high) => {
            Some((low, high))
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => {
            let wrong = entry.wrong(
                format!("\"{text}\" is not a range of statuses"),
                "not understood",
            );
            report.add(wrong.help("write it like \"200-299\", from 100 to 599"));
            None
        }
    }
}

/// A digest in hexadecimal.
fn digest<const N: usize>(entry: &Entry<'_>, report: &mut Report) -> Option<[u8; N]> {
    let text = entry.string("0123456789abcdef…", report)?;
    let mut digest = [0; N];
    let nibbles: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok()))
        .collect();
    match nibbles {
        Some(nibbles) if nibbles.len() == 2 * N => {
            for (byte, pair) in digest.iter_mut().zip(nibbles.chunks_exact(2)) {
                *byte = pair.iter().fold(0, |byte, nibble| byte << 4 | nibble);
            }
            Some(digest)
        }
        Some(_) | None => {
            let wrong = entry.wrong(
                format!("`{}` is not a digest", entry.key),
                format!("not {} hexadecimal digits", 2 * N),
            );
            report.add(wrong.help(format!(
                "write what `curl -s URL | {}sum` prints",
                entry.key
            )));
            None
        }
    }
}

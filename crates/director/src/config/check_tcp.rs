//! Checks of type `tcp` and `tls`.

use locum_health::SocketOptions;
use locum_health::tcp::{Pattern, Step, TcpConfig};

use super::check_kinds::Places;
use super::section::{Entry, Report, Section};

const STEPS: &str = "steps = [{ expect = \"220\" }, { send = \"QUIT\\r\\n\" }]";

pub(super) fn read(
    section: &mut Section<'_>,
    socket: SocketOptions,
    places: &mut Places,
    report: &mut Report,
) -> Option<TcpConfig> {
    let mut tcp = TcpConfig::default();
    tcp.socket = socket;
    if let Some(entry) = section.take("steps") {
        let elements = entry.elements("{ expect = \"220\" }", report)?;
        let steps: Vec<_> = elements
            .iter()
            .map(|element| step(element, places, report))
            .collect();
        tcp.steps = steps.into_iter().collect::<Option<_>>()?;
    }
    Some(tcp)
}

fn step(element: &Entry<'_>, places: &mut Places, report: &mut Report) -> Option<Step> {
    let mut section = Section::of("this step", STEPS, element, report)?;
    let found: Vec<Entry<'_>> = ["send", "expect", "starts_with", "matches", "reply"]
        .into_iter()
        .filter_map(|key| section.take(key))
        .collect();
    section.finish(report);
    let [entry] = found.as_slice() else {
        let label = if found.is_empty() {
            "does nothing"
        } else {
            "does several things"
        };
        let wrong = element.wrong("a step does one thing", label);
        report.add(wrong.help(
            "each step has one of `send`, `expect` (anywhere in the answer), `starts_with`, `matches` (a regular \
             expression) and `reply` (a code, as of FTP and SMTP)",
        ));
        return None;
    };
    if entry.key == "reply" {
        return entry.number(100..=599, report).map(Step::Reply);
    }
    let text = entry.string("220", report)?;
    if text.is_empty() {
        let wrong = entry.wrong(format!("`{}` of nothing", entry.key), "empty");
        report.add(wrong.help("write what is to be sent or expected, or remove the step"));
        return None;
    }
    places.add(text, entry);
    Some(match entry.key {
        "send" => Step::Send(text.into()),
        "expect" => Step::Expect(Pattern::Contains(text.into())),
        "starts_with" => Step::Expect(Pattern::Prefix(text.into())),
        _ => Step::Expect(Pattern::Regex(text.to_owned())),
    })
}

/// What this machine calls itself to a server of SMTP.
pub(super) fn helo(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
    let name = entry.string("lb.example.com", report)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    if name.is_empty() || name.len() > 255 || !name.bytes().all(fits) {
        let wrong = entry.wrong("not the name of a machine", "no server would take it");
        report.add(wrong.help("write it like \"lb.example.com\" or \"[192.0.2.2]\""));
        return None;
    }
    Some(name.to_owned())
}

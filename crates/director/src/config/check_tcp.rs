//! Checks of type `tcp` and `tls`.

use locum_health::SocketOptions;
use locum_health::tcp::{Pattern, Step, TcpConfig};

use super::check::Type;
use super::check_tls;
use super::section::{Entry, Report, Section};

const STEPS: &str = "steps = [{ expect = \"220\" }, { send = \"QUIT\\r\\n\" }]";

pub(super) fn read(
    section: &mut Section<'_>,
    kind: Type,
    socket: SocketOptions,
    report: &mut Report,
) -> Option<TcpConfig> {
    let mut tcp = TcpConfig::default();
    tcp.socket = socket;
    tcp.tls = match kind {
        Type::Tls => Some(check_tls::read(section, None, report)),
        _ => {
            check_tls::refuse(section, "tls", report);
            None
        }
    };
    if let Some(entry) = section.take("steps") {
        let elements = entry.elements("{ expect = \"220\" }", report)?;
        let steps: Vec<_> = elements
            .iter()
            .map(|element| step(element, report))
            .collect();
        tcp.steps = steps.into_iter().collect::<Option<_>>()?;
    }
    Some(tcp)
}

fn step(element: &Entry<'_>, report: &mut Report) -> Option<Step> {
    let mut section = Section::of("this step", STEPS, element, report)?;
    let found: Vec<Entry<'_>> = ["send", "expect", "starts_with", "matches"]
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
            "each step has one of `send`, `expect` (anywhere in the answer), `starts_with` and `matches` (a regular expression)",
        ));
        return None;
    };
    let text = entry.string("220", report)?;
    if text.is_empty() {
        let wrong = entry.wrong(format!("`{}` of nothing", entry.key), "empty");
        report.add(wrong.help("write what is to be sent or expected, or remove the step"));
        return None;
    }
    Some(match entry.key {
        "send" => Step::Send(text.into()),
        "expect" => Step::Expect(Pattern::Contains(text.into())),
        "starts_with" => Step::Expect(Pattern::Prefix(text.into())),
        _ => Step::Expect(Pattern::Regex(text.to_owned())),
    })
}

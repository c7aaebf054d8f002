//! The section `[director]`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Director;
use super::section::{Entry, Report, Section};

/// What the kernel's `sun_path` holds, 107 bytes without the zero at the end (unix(7)), less `.programs`, which is in the
/// longest name of a socket beside this one.
const LONGEST_SOCKET_PATH: usize = 98;

const HELLO_INTERVAL: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);

pub(super) fn read(entry: &Entry<'_>, report: &mut Report) -> Option<Director> {
    let mut section = Section::of("[director]", "[director]", entry, report)?;
    let mut director = Director::default();
    if let Some(entry) = section.take("name") {
        director.name = name(&entry, report);
    }
    if let Some(entry) = section.take("control_socket")
        && let Some(path) = control_socket(&entry, report)
    {
        director.control_socket = path;
    }
    if let Some(entry) = section.take("hello_interval")
        && let Some(interval) = entry.duration_within(HELLO_INTERVAL, report)
    {
        director.hello_interval = interval;
    }
    if let Some(entry) = section.take("hello_missed")
        && let Some(missed) = entry.number(1..=100, report)
    {
        director.hello_missed = missed;
    }
    if let Some(entry) = section.take("realtime")
        && let Some(realtime) = entry.boolean(report)
    {
        director.realtime = realtime;
    }
    let label = "nothing would listen there";
    let help = "remove it: the status is on the control socket, see `director status`";
    section.refuse("listen", label, help, report);
    section.finish(report);
    Some(director)
}

/// A name for logs, status and, later, addresses of the API.
pub(super) fn name(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
    let name = entry.string("web", report)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        report.add(
            entry
                .wrong("not a name", "this cannot be a name")
                .help("use 1 to 64 letters, digits, `-`, `_` and `.`"),
        );
        return None;
    }
    Some(name.to_owned())
}

fn control_socket(entry: &Entry<'_>, report: &mut Report) -> Option<PathBuf> {
    let text = entry.string(Director::CONTROL_SOCKET, report)?;
    let path = PathBuf::from(text);
    let mistake = if text.contains('\0') || !path.is_absolute() {
        "not an absolute path".to_owned()
    } else if text.len() > LONGEST_SOCKET_PATH {
        format!("{} bytes long", text.len())
    } else {
        return Some(path);
    };
    report.add(
        entry
            .wrong("this cannot be the control socket", mistake)
            .help(format!(
                "use an absolute path of at most {LONGEST_SOCKET_PATH} bytes, as in \"{}\"",
                Director::CONTROL_SOCKET
            )),
    );
    None
}

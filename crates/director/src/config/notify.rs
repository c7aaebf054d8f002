//! `notify`: what is run when something happens.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use locum_health::exec::{ExecConfigError, Program, User};
use nix::unistd;

use crate::notify::StateScripts;
use crate::site::{Notify, Script};

use super::section::{Entry, Report, Section};
use super::suggest;

const EXAMPLE: &str = "notify = { up = [\"/usr/local/bin/told\", \"up\"] }";

const STATES: &str = "notify = { any = [\"/usr/local/bin/told\"] }";

const TEN_SECONDS: Duration = Duration::from_secs(10);
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// Reads the key `notify` of a service or a server.
pub(super) fn read(section: &mut Section<'_>, report: &mut Report) -> Notify {
    let mut notify = Notify::default();
    if let Some([up, down]) = scripts(section, ["up", "down"], EXAMPLE, report) {
        notify.up = up;
        notify.down = down;
    }
    notify
}

/// Reads the key `notify` of a virtual router or a sync group.
pub(super) fn states(section: &mut Section<'_>, report: &mut Report) -> StateScripts {
    let keys = ["master", "backup", "fault", "stop", "any"];
    let mut states = StateScripts::default();
    if let Some([master, backup, fault, stop, any]) = scripts(section, keys, STATES, report) {
        states.master = master;
        states.backup = backup;
        states.fault = fault;
        states.stop = stop;
        states.any = any;
    }
    states
}

/// The programs under `keys`, at least one of them.
fn scripts<const N: usize>(
    section: &mut Section<'_>,
    keys: [&'static str; N],
    example: &str,
    report: &mut Report,
) -> Option<[Option<Arc<Script>>; N]> {
    let entry = section.take("notify")?;
    let mut section = Section::of("`notify`", example, &entry, report)?;
    let programs = keys.map(|key| section.take(key));
    let timeout = section
        .take("timeout")
        .map_or(Some(TEN_SECONDS), |entry| {
            entry.duration_within(Duration::from_millis(100)..=AN_HOUR, report)
        })
        .unwrap_or(TEN_SECONDS);
    let user = section.take("user").and_then(|entry| user(&entry, report));
    section.finish(report);
    if programs.iter().all(Option::is_none) {
        let keys = match keys.as_slice() {
            ["up", "down"] => "neither `up` nor `down`".to_owned(),
            keys => format!("none of {}", suggest::list(keys)),
        };
        let wrong = entry.wrong("nothing is to be run", keys);
        report.add(wrong.help(format!("write {example}, or remove the line")));
    }
    Some(programs.map(|entry| {
        let (program, arguments) = command(&entry?, report)?;
        Some(Arc::new(Script {
            program,
            arguments,
            user,
            timeout,
        }))
    }))
}

/// A program and its arguments.
pub(super) fn command(entry: &Entry<'_>, report: &mut Report) -> Option<(PathBuf, Vec<String>)> {
    let elements = entry.strings("/path/to/program", report);
    let Some(((program, place), arguments)) = elements.split_first() else {
        if entry.value.as_array().is_some_and(|array| array.is_empty()) {
            let wrong = entry.wrong("the program is missing", "empty");
            report.add(wrong.help(format!(
                "write {} = [\"/path/to/program\", \"argument\"]",
                entry.key
            )));
        }
        return None;
    };
    if let Some((_, place)) = elements.iter().find(|(text, _)| text.contains('\0')) {
        let wrong = place.wrong(
            "no argument can have a byte 0",
            "the kernel would end it there",
        );
        report.add(wrong.help("remove it"));
        return None;
    }
    let Err(error) = Program::new(*program, None) else {
        let arguments = arguments.iter().map(|&(text, _)| text.to_owned());
        return Some((PathBuf::from(program), arguments.collect()));
    };
    let help = if let ExecConfigError::NotAbsolute = error {
        "write the whole path, arguments as strings of their own: there is no shell".to_owned()
    } else {
        format!("put the program there, and make it executable: chmod +x {program}")
    };
    let label = match error.source() {
        Some(cause) => cause.to_string(),
        None => "cannot be run".to_owned(),
    };
    report.add(place.wrong(error.to_string(), label).help(help));
    None
}

/// A user of this machine, and its group or another one.
pub(super) fn user(entry: &Entry<'_>, report: &mut Report) -> Option<User> {
    let text = entry.string("nobody", report)?;
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (text, None),
    };
    let Ok(Some(user)) = unistd::User::from_name(name) else {
        let wrong = entry.wrong(
            format!("there is no user \"{name}\""),
            "not on this machine",
        );
        report.add(wrong.help("see `getent passwd` for the users of this machine"));
        return None;
    };
    let gid = match group {
        None => user.gid,
        Some(group) => match unistd::Group::from_name(group) {
            Ok(Some(group)) => group.gid,
            Ok(None) | Err(_) => {
                let message = format!("there is no group \"{group}\"");
                let wrong = entry.wrong(message, "not on this machine");
                report.add(wrong.help("see `getent group` for the groups of this machine"));
                return None;
            }
        },
    };
    Some(User {
        uid: user.uid.as_raw(),
        gid: gid.as_raw(),
    })
}

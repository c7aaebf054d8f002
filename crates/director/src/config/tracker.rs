//! The sections `[[track_script]]`, `[[track_process]]` and `[[track_file]]`.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::track::{Health, Subject, TrackFile, TrackProcess, TrackScript, Tracking};

use super::document::sections;
use super::section::{Entry, Report, Section};
use super::track::weight;
use super::{director, notify};

const SHORTEST: Duration = Duration::from_millis(100);
const A_SECOND: Duration = Duration::from_secs(1);
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// One of the sections, with places for messages.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) subject: Subject,
    pub(super) span: Range<usize>,
    /// What counts where `track` says nothing else.
    pub(super) weight: i16,
    /// Whether all of it was understood.
    kind: Option<Kind>,
}

#[derive(Debug)]
enum Kind {
    File(TrackFile),
    Process(TrackProcess),
    Script(Arc<TrackScript>),
}

/// All of them.
pub(super) fn read(top: &mut Section<'_>, report: &mut Report) -> Vec<Located> {
    let mut all = Vec::new();
    for section in sections(top, "track_script", "[[track_script]]", report) {
        all.extend(one(section, Subject::Script, 0, script, report));
    }
    for section in sections(top, "track_process", "[[track_process]]", report) {
        all.extend(one(section, Subject::Process, 0, process, report));
    }
    for section in sections(top, "track_file", "[[track_file]]", report) {
        all.extend(one(section, Subject::File, 1, file, report));
    }
    all
}

fn one(
    mut section: Section<'_>,
    subject: fn(String) -> Subject,
    usual: i16,
    read: fn(&mut Section<'_>, String, &mut Report) -> Option<Kind>,
    report: &mut Report,
) -> Option<Located> {
    let name = section
        .require("name", "\"check\"", report)
        .and_then(|entry| Some((director::name(&entry, report)?, entry.span)));
    let weight = weight(&mut section, report).map(|(weight, _)| weight);
    // Read without a name too: every mistake is told.
    let known = name.as_ref().map(|(name, _)| name.clone());
    let kind = read(&mut section, known.unwrap_or_default(), report);
    section.finish(report);
    let (name, span) = name?;
    Some(Located {
        subject: subject(name),
        span,
        weight: weight.unwrap_or(usual),
        kind,
    })
}

fn script(section: &mut Section<'_>, name: String, report: &mut Report) -> Option<Kind> {
    let program = section
        .require("program", "[\"/path/to/program\"]", report)
        .and_then(|entry| notify::command(&entry, report));
    let interval = section.take("interval").map_or(Some(A_SECOND), |entry| {
        entry.duration_within(SHORTEST..=AN_HOUR, report)
    });
    let timeout = section.take("timeout").map_or(interval, |entry| {
        entry.duration_within(SHORTEST..=AN_HOUR, report)
    });
    let rise = count(section, "rise", report);
    let fall = count(section, "fall", report);
    let init = section.take("init").and_then(|entry| {
        let choices = [("up", Health::Up), ("down", Health::Down)];
        entry.choice(&choices, report)
    });
    let user = section
        .take("user")
        .and_then(|entry| notify::user(&entry, report));
    let (program, arguments) = program?;
    Some(Kind::Script(Arc::new(TrackScript {
        name,
        program,
        arguments,
        user,
        interval: interval?,
        timeout: timeout?,
        rise,
        fall,
        init,
    })))
}

fn process(section: &mut Section<'_>, name: String, report: &mut Report) -> Option<Kind> {
    let process = section
        .require("process", "\"haproxy\"", report)
        .and_then(|entry| process_name(&entry, report));
    let quorum = count(section, "quorum", report);
    Some(Kind::Process(TrackProcess {
        name,
        process: process?,
        quorum,
    }))
}

fn process_name(entry: &Entry<'_>, report: &mut Report) -> Option<String> {
    let text = entry.string("haproxy", report)?;
    let mistake = if text.is_empty() {
        "empty"
    } else if text.contains('\0') {
        "has a byte 0"
    } else if text.contains('/') && !text.starts_with('/') {
        "neither a name nor a whole path"
    } else {
        return Some(text.to_owned());
    };
    let wrong = entry.wrong("no process can be found by this", mistake);
    report.add(wrong.help("write the name of the program, as in \"haproxy\", or its whole path"));
    None
}

fn file(section: &mut Section<'_>, name: String, report: &mut Report) -> Option<Kind> {
    let entry = section.require("path", "\"/run/director/maintenance\"", report)?;
    let text = entry.string("/run/director/maintenance", report)?;
    let path = PathBuf::from(text);
    let mistake = if text.contains('\0') {
        "has a byte 0"
    } else if !path.is_absolute() {
        "not an absolute path"
    } else if path.file_name().is_none() || text.ends_with('/') {
        "a directory"
    } else {
        return Some(Kind::File(TrackFile { name, path }));
    };
    let wrong = entry.wrong("this cannot be a file with a number", mistake);
    report.add(wrong.help("write the whole path, as in \"/run/director/maintenance\""));
    None
}

fn count(section: &mut Section<'_>, key: &'static str, report: &mut Report) -> NonZeroU32 {
    section
        .take(key)
        .and_then(|entry| NonZeroU32::new(entry.number(1..=65_535, report)?))
        .unwrap_or(NonZeroU32::MIN)
}

/// What was understood.
pub(super) fn settings(all: Vec<Located>) -> Tracking {
    let mut tracking = Tracking::default();
    for kind in all.into_iter().filter_map(|located| located.kind) {
        match kind {
            Kind::File(file) => tracking.files.push(file),
            Kind::Process(process) => tracking.processes.push(process),
            Kind::Script(script) => tracking.scripts.push(script),
        }
    }
    tracking
}

//! Checks of type `exec`.

use std::ops::Range;

use locum_health::exec::{ExecConfig, ExitCode};

use super::notify;
use super::section::{Report, Section};

const PROGRAM: &str = "[\"/path/to/program\", \"{address}\", \"{port}\"]";

/// The settings, and where they say that the exit code is a weight.
pub(super) fn read(
    section: &mut Section<'_>,
    report: &mut Report,
) -> Option<(ExecConfig, Option<Range<usize>>)> {
    let program = section.require("program", PROGRAM, report);
    let user = section
        .take("user")
        .and_then(|entry| notify::user(&entry, report));
    let dynamic = section.take("dynamic_weight");
    let dynamic = dynamic.filter(|entry| entry.boolean(report) == Some(true));
    let (program, arguments) = notify::command(&program?, report)?;
    let mut exec = ExecConfig::new(program);
    exec.arguments = arguments;
    exec.user = user;
    if dynamic.is_some() {
        exec.exit_code = ExitCode::Weight;
    }
    Some((exec, dynamic.map(|entry| entry.span)))
}

//! The program's own processes, and what is tracked.

use std::fmt::Write as _;
use std::time::Duration;

use super::grid;
use crate::status::{ProcessReport, Status, TrackerReport};
use crate::words::brief;

/// One line and an empty one; none for a single process.
pub(super) fn processes(out: &mut String, status: &Status) {
    if status.processes.is_empty() {
        return;
    }
    let all: Vec<String> = status.processes.iter().map(process).collect();
    let _ = writeln!(out, "processes: {}\n", all.join(", "));
}

fn process(process: &ProcessReport) -> String {
    let name = &process.name;
    let mut text = match process.pid {
        Some(pid) => format!("{name} {pid}"),
        None => format!("{name} down"),
    };
    match process.restarts {
        0 => {}
        1 => text.push_str(" (started again once)"),
        more => {
            let _ = write!(text, " (started again {more} times)");
        }
    }
    text
}

pub(super) fn trackers(out: &mut String, status: &Status) {
    if status.trackers.is_empty() {
        return;
    }
    out.push('\n');
    let rows: Vec<[String; 5]> = status.trackers.iter().map(tracker).collect();
    let header = ["TRACKED", "NAME", "STATE", "SINCE", "FOUND"];
    grid(out, header, &rows, |_, _, cell| cell);
}

fn tracker(tracker: &TrackerReport) -> [String; 5] {
    let state = match tracker.ok {
        Some(true) => "ok",
        Some(false) => "fails",
        None => "unknown",
    };
    [
        tracker.kind.clone(),
        tracker.name.clone(),
        state.to_owned(),
        brief(Duration::from_millis(tracker.since_ms)),
        tracker.detail.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process_report(pid: Option<u32>, restarts: u64) -> ProcessReport {
        ProcessReport {
            name: "routers".to_owned(),
            pid,
            answers: 5,
            restarts,
            kills: 0,
        }
    }

    #[test]
    fn a_process_that_was_started_again_is_told() {
        assert_eq!(process(&process_report(Some(12), 0)), "routers 12");
        let again = process(&process_report(Some(12), 1));
        assert_eq!(again, "routers 12 (started again once)");
        let down = process(&process_report(None, 3));
        assert_eq!(down, "routers down (started again 3 times)");
    }

    #[test]
    fn what_is_not_known_yet_is_told_so() {
        let report = TrackerReport {
            kind: "script".to_owned(),
            name: "chk".to_owned(),
            ok: None,
            detail: "no result yet".to_owned(),
            since_ms: 1500,
        };
        let row = tracker(&report);
        assert_eq!(row, ["script", "chk", "unknown", "1.50s", "no result yet"]);
    }
}

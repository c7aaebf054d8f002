//! What was measured, as a table and as JSON, and whether it is as it should be.

use std::fmt;

use serde::Serialize;

use crate::check_cost::subject::Subject;

/// So many times as fast as keepalived a reload without a change must be.
const TIMES: u64 = 50;
/// What a changed weight may take.
const WEIGHT_MS: u64 = 200;

/// All runs, in the order in which they were made.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    kernel: String,
    services: u16,
    rows: Vec<Row>,
    verdict: Option<Judged>,
}

/// One program, once.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Row {
    pub(super) of: &'static str,
    /// A reload without a change, from the signal until it says that it is done.
    pub(super) unchanged_ms: u64,
    /// The same with a command that asks for it, its start included.
    pub(super) command_ms: Option<u64>,
    /// From the signal until a changed weight was in the kernel.
    pub(super) weight_ms: u64,
    pub(super) stop_ms: u64,
    /// Entries in the table after the stop.
    pub(super) left: u64,
}

/// Of the medians, if director was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Judged {
    /// How many times as fast as keepalived, if that was measured too.
    times: Option<u64>,
    weight_ms: u64,
    /// In the worst run.
    left: u64,
}

impl Judged {
    fn is_as_it_should(self) -> bool {
        self.times.is_none_or(|times| times >= TIMES)
            && self.weight_ms <= WEIGHT_MS
            && self.left == 0
    }
}

impl Report {
    pub(super) fn new(services: u16) -> Self {
        let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            kernel: version.trim_end().to_owned(),
            services,
            rows: Vec::new(),
            verdict: None,
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// After the last run.
    pub(super) fn judge(&mut self) {
        let of = |subject: Subject| {
            let rows = self.rows.iter().filter(move |row| row.of == subject.name());
            rows.copied().collect::<Vec<_>>()
        };
        let (ours, theirs) = (of(Subject::Director), of(Subject::Keepalived));
        let unchanged = median(ours.iter().map(|row| row.unchanged_ms));
        let their_unchanged = median(theirs.iter().map(|row| row.unchanged_ms));
        self.verdict = median(ours.iter().map(|row| row.weight_ms)).map(|weight_ms| Judged {
            times: their_unchanged
                .zip(unchanged)
                .map(|(theirs, ours)| theirs / ours.max(1)),
            weight_ms,
            left: ours.iter().map(|row| row.left).max().unwrap_or(0),
        });
    }

    /// True also if there was nothing to judge.
    pub(super) fn is_as_it_should(&self) -> bool {
        self.verdict.is_none_or(Judged::is_as_it_should)
    }
}

pub(super) fn median(all: impl IntoIterator<Item = u64>) -> Option<u64> {
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} services of ten servers with a TCP check each, Linux {}; ms:",
            self.services, self.kernel
        )?;
        writeln!(
            f,
            "{:<12}{:>18}{:>12}{:>16}{:>8}{:>14}",
            "", "unchanged reload", "by command", "changed weight", "stop", "left entries"
        )?;
        for row in &self.rows {
            let command = row
                .command_ms
                .map_or_else(|| "-".to_owned(), |ms| ms.to_string());
            writeln!(
                f,
                "{:<12}{:>18}{command:>12}{:>16}{:>8}{:>14}",
                row.of, row.unchanged_ms, row.weight_ms, row.stop_ms, row.left
            )?;
        }
        let Some(verdict) = self.verdict else {
            return Ok(());
        };
        if let Some(times) = verdict.times {
            writeln!(
                f,
                "A reload without a change is {times} times as fast as keepalived's; it should be {TIMES}."
            )?;
        }
        writeln!(
            f,
            "A changed weight is in the kernel after {} ms; it should be {WEIGHT_MS}. {} entries are left; it should be none.",
            verdict.weight_ms, verdict.left
        )?;
        let words = if verdict.is_as_it_should() {
            "as"
        } else {
            "NOT as"
        };
        writeln!(f, "Director is {words} it should be.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(keepalived_ms: u64, weight_ms: u64, left: u64) -> Report {
        let mut report = Report::new(10);
        for (of, unchanged_ms) in [("keepalived", keepalived_ms), ("director", 100)] {
            report.add(Row {
                of,
                unchanged_ms,
                command_ms: None,
                weight_ms,
                stop_ms: 1,
                left,
            });
        }
        report.judge();
        report
    }

    #[test]
    fn director_has_to_be_fast_and_to_leave_nothing() {
        assert!(report(5000, 200, 0).is_as_it_should());
        for bad in [
            report(4999, 200, 0),
            report(5000, 201, 0),
            report(5000, 200, 1),
        ] {
            assert!(!bad.is_as_it_should(), "{bad}");
        }
        assert!(
            report(4999, 1, 0)
                .to_string()
                .contains("NOT as it should be")
        );
    }
}

//! What was measured, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::subject::Subject;

/// All runs, in the order in which they were made.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    kernel: String,
    servers: u16,
    rows: Vec<Row>,
}

/// One program at one interval.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) of: &'static str,
    pub(super) interval_ms: u64,
    /// From the start until all servers were in the table.
    pub(super) full_ms: u64,
    /// How long was measured.
    pub(super) seconds_ms: u64,
    pub(super) cpu_ms: u64,
    /// Attempts to connect that the servers answered.
    pub(super) probes: u64,
    pub(super) false_downs: u64,
    pub(super) entries: u64,
    /// Only director tells; since its start.
    pub(super) failed: Option<u64>,
    pub(super) lagged: Option<u64>,
    pub(super) local: Option<u64>,
    pub(super) worst_lag_ms: Option<u64>,
}

impl Row {
    fn micros_per_probe(&self) -> u64 {
        (self.cpu_ms * 1000).checked_div(self.probes).unwrap_or(0)
    }

    /// Probes in a second.
    pub(super) fn rate(&self) -> u64 {
        (self.probes * 1000)
            .checked_div(self.seconds_ms)
            .unwrap_or(0)
    }
}

impl Report {
    pub(super) fn new(servers: u16) -> Self {
        let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            kernel: version.trim_end().to_owned(),
            servers,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// CPU for a probe, of all runs of `subject` together.
    fn total(&self, subject: Subject) -> Option<u64> {
        let rows = || self.rows.iter().filter(|row| row.of == subject.name());
        let cpu: u64 = rows().map(|row| row.cpu_ms).sum();
        let probes = rows().map(|row| row.probes).sum();
        (cpu * 1_000_000).checked_div(probes)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} servers checked by TCP, Linux {}; CPU of all processes and threads\n",
            self.servers, self.kernel
        )?;
        writeln!(
            f,
            "{:<12}{:>9}{:>9}{:>9}{:>9}{:>9}{:>10}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}",
            "",
            "interval",
            "full in",
            "measured",
            "probes",
            "probes/s",
            "CPU s/min",
            "us each",
            "downs",
            "failed",
            "lagged",
            "lag ms",
            "entries"
        )?;
        for row in &self.rows {
            let per_minute = (row.cpu_ms * 60_000)
                .checked_div(row.seconds_ms)
                .unwrap_or(0);
            let told = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |c| c.to_string());
            writeln!(
                f,
                "{:<12}{:>9}{:>9}{:>9}{:>9}{:>9}{:>10}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}",
                row.of,
                seconds(row.interval_ms),
                seconds(row.full_ms),
                seconds(row.seconds_ms),
                row.probes,
                row.rate(),
                seconds(per_minute),
                row.micros_per_probe(),
                row.false_downs,
                told(row.failed),
                told(row.lagged),
                told(row.worst_lag_ms),
                row.entries
            )?;
        }
        if let (Some(director), Some(keepalived)) = (
            self.total(Subject::Director),
            self.total(Subject::Keepalived),
        ) {
            let percent = (director * 100).checked_div(keepalived).unwrap_or(0);
            writeln!(
                f,
                "\nA probe of director's costs {percent} % of one of keepalived's, as that kernel counts it. A booted one looks at \
                 its ticks only, and misses who works between them: what the machine spends on the whole of it says more."
            )?;
        }
        Ok(())
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:02}", millis / 1000, millis % 1000 / 10)
}

//! What was measured, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::contender::Contender;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Work {
    Fill,
    Read,
}

/// All times, in the order in which they were measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    kernel: String,
    services: u16,
    destinations: u8,
    rounds: u16,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    work: Work,
    of: &'static str,
    #[serde(serialize_with = "micros")]
    times_us: Vec<Duration>,
}

fn micros<S: Serializer>(times: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.iter().map(Duration::as_micros))
}

impl Row {
    fn minimum(&self) -> Duration {
        self.times_us.iter().min().copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        let mut sorted = self.times_us.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

impl Report {
    pub(super) fn new(services: u16, destinations: u8, rounds: u16) -> Self {
        let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            kernel: version.trim_end().to_owned(),
            services,
            destinations,
            rounds,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, of: Contender, work: Work, took: Duration) {
        let of = of.name();
        if let Some(row) = self
            .rows
            .iter_mut()
            .find(|row| (row.work, row.of) == (work, of))
        {
            row.times_us.push(took);
        } else {
            let times_us = vec![took];
            self.rows.push(Row { work, of, times_us });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} services of {} destinations each, {} rounds, Linux {}; times in ms, and how often the client's go into them\n",
            self.services, self.destinations, self.rounds, self.kernel
        )?;
        writeln!(
            f,
            "{:<30}{:>9}{:>8}{:>9}{:>8}",
            "", "minimum", "", "median", ""
        )?;
        let mut sections: BTreeMap<Work, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            sections.entry(row.work).or_default().push(row);
        }
        for (work, rows) in sections {
            let client = rows.iter().find(|row| row.of == "client");
            for row in &rows {
                write!(f, "{:<30}", label(work, row.of))?;
                for of in [Row::minimum, Row::median] {
                    let ratio = client.and_then(|client| ratio(of(row), of(client)));
                    write!(
                        f,
                        "{:>9}{:>8}",
                        of(row).as_millis(),
                        ratio.unwrap_or_default()
                    )?;
                }
                writeln!(f)?;
            }
        }
        self.judge(f)
    }
}

/// What is to be how many times as fast as what.
struct Goal {
    work: Work,
    of: Contender,
    times: u32,
    than: Contender,
}

const GOALS: [Goal; 3] = [
    Goal {
        work: Work::Fill,
        of: Contender::Director,
        times: 8,
        than: Contender::Keepalived,
    },
    Goal {
        work: Work::Fill,
        of: Contender::Director,
        times: 10,
        than: Contender::Ipvsadm,
    },
    Goal {
        work: Work::Read,
        of: Contender::Client,
        times: 4,
        than: Contender::Ipvsadm,
    },
];

impl Report {
    fn row(&self, work: Work, of: Contender) -> Option<&Row> {
        let is_it = |row: &&Row| (row.work, row.of) == (work, of.name());
        self.rows.iter().find(is_it)
    }

    /// Holds what was measured against the goals, as far as both sides of one were.
    fn judge(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut heading = "\n";
        for Goal {
            work,
            of,
            times,
            than,
        } in GOALS
        {
            let (Some(fast), Some(slow)) = (self.row(work, of), self.row(work, than)) else {
                continue;
            };
            let what = format!("{} to {}", label(work, than.name()), of.name());
            write!(f, "{heading}{what:<41}")?;
            for of in [Row::minimum, Row::median] {
                let ratio = ratio(of(slow), of(fast)).unwrap_or_default();
                write!(f, "{ratio:>9} ")?;
            }
            let reached = fast.median().saturating_mul(times) <= slow.median();
            let verdict = if reached { "reached" } else { "missed" };
            writeln!(f, "  goal {times}x: {verdict}")?;
            heading = "";
        }
        Ok(())
    }
}

fn label(work: Work, of: &str) -> String {
    match (work, of) {
        (Work::Fill, "ipvsadm") => "fill: ipvsadm -R".to_owned(),
        (Work::Fill, "client") => "fill: client".to_owned(),
        (Work::Fill, program) => format!("fill: {program}, from start"),
        (Work::Read, "ipvsadm") => "read: ipvsadm -Ln".to_owned(),
        (Work::Read, program) => format!("read: {program}"),
    }
}

/// Such as `12.4x`.
fn ratio(time: Duration, of: Duration) -> Option<String> {
    let tenths = (time.as_nanos() * 10).checked_div(of.as_nanos())?;
    Some(format!("{}.{}x", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_minimum_median_and_ratio() {
        let mut report = Report::new(2, 5, 3);
        for (client, other) in [(10, 100), (30, 125), (20, 50)] {
            report.add(Contender::Client, Work::Fill, Duration::from_millis(client));
            report.add(Contender::Ipvsadm, Work::Fill, Duration::from_millis(other));
        }
        let table = report.to_string();
        let last = table.lines().last().unwrap();
        let words: Vec<&str> = last.split_whitespace().collect();
        assert_eq!(
            words,
            ["fill:", "ipvsadm", "-R", "50", "5.0x", "100", "5.0x"]
        );
    }

    #[test]
    fn what_was_measured_is_held_against_the_goals() {
        let mut report = Report::new(2, 5, 1);
        let mut add = |of, work, ms| report.add(of, work, Duration::from_millis(ms));
        add(Contender::Director, Work::Fill, 100);
        add(Contender::Keepalived, Work::Fill, 799);
        add(Contender::Ipvsadm, Work::Fill, 1000);
        add(Contender::Ipvsadm, Work::Read, 1000);
        let text = report.to_string();
        let verdicts: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.contains("goal"))
            .map(|line| line.split_whitespace().skip(2).collect())
            .collect();
        let from = ["from", "start", "to", "director"];
        let missed = ["7.9x", "7.9x", "goal", "8x:", "missed"];
        let reached = ["10.0x", "10.0x", "goal", "10x:", "reached"];
        assert_eq!(
            verdicts,
            [
                [&from[..], &missed[..]]
                    .concat()
                    .into_iter()
                    .collect::<Vec<_>>(),
                [&["-R", "to", "director"][..], &reached[..]].concat(),
            ]
        );
    }

    #[test]
    fn nothing_divides_by_nothing() {
        assert_eq!(ratio(Duration::from_secs(1), Duration::ZERO), None);
    }
}

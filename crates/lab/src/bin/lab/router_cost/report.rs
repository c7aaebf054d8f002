//! What was measured, as a table and as JSON.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::Serialize;

use super::pair::Spent;
use crate::routers::Population;
use crate::whose::Whose;

/// At most so many percent of keepalived's CPU are allowed.
const ALLOWED: u64 = 50;

/// All runs, in the order in which they were made.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    kernel: String,
    routers: u8,
    interval_ms: u64,
    vrrp: u8,
    rows: Vec<Row>,
    /// Director's CPU in percent of keepalived's: of the master, and of the backup. Once both were measured.
    percent: Option<[u64; 2]>,
}

/// One pair of hosts.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    of: &'static str,
    time_ms: u64,
    master_cpu_us: u64,
    backup_cpu_us: u64,
    adverts: u64,
    late: u64,
    worst_gap_us: u64,
    /// Changes of the master: there should be none.
    moves: u64,
}

impl Row {
    pub(super) fn of(whose: Whose, spent: Spent) -> Self {
        let [master, backup] = spent.cpu;
        Self {
            of: whose.name(),
            time_ms: millis(spent.time),
            master_cpu_us: micros(master),
            backup_cpu_us: micros(backup),
            adverts: spent.seen.adverts,
            late: spent.seen.late,
            worst_gap_us: micros(spent.seen.worst_gap),
            moves: spent.seen.moves,
        }
    }

    pub(super) fn in_words(&self) -> String {
        format!(
            "CPU of the master {} ms/s, of the backup {} ms/s",
            tenths(self.per_second(self.master_cpu_us)),
            tenths(self.per_second(self.backup_cpu_us))
        )
    }

    /// Tenths of a millisecond in each second.
    fn per_second(&self, micros: u64) -> u64 {
        (micros * 10).checked_div(self.time_ms).unwrap_or(0)
    }

    /// Hundredths of a microsecond for each advertisement.
    fn per_advert(&self, micros: u64) -> u64 {
        (micros * 100).checked_div(self.adverts).unwrap_or(0)
    }
}

impl Report {
    pub(super) fn new(population: Population) -> Self {
        let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            kernel: version.trim_end().to_owned(),
            routers: population.routers,
            interval_ms: millis(population.interval),
            vrrp: population.version,
            rows: Vec::new(),
            percent: None,
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
        self.percent = self.compare();
    }

    /// Is director's share at most what is allowed? True if there is nothing to compare.
    pub(super) fn is_cheap(&self) -> bool {
        let cheap = |percent: [u64; 2]| percent.iter().all(|&one| one <= ALLOWED);
        self.percent.is_none_or(cheap)
    }

    fn compare(&self) -> Option<[u64; 2]> {
        let [master, backup] = self.rate(Whose::Director)?;
        let [their_master, their_backup] = self.rate(Whose::Keepalived)?;
        Some([
            percent(master, their_master)?,
            percent(backup, their_backup)?,
        ])
    }

    /// Nanoseconds of CPU in each second, of all its runs: of the master, and of the backup.
    fn rate(&self, whose: Whose) -> Option<[u64; 2]> {
        let rows = || self.rows.iter().filter(|row| row.of == whose.name());
        let time: u64 = rows().map(|row| row.time_ms).sum();
        let rate = |cpu: u64| (cpu * 1_000_000).checked_div(time);
        Some([
            rate(rows().map(|row| row.master_cpu_us).sum())?,
            rate(rows().map(|row| row.backup_cpu_us).sum())?,
        ])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} virtual routers, VRRPv{}, an advertisement each {} ms, Linux {}; CPU of all processes and threads of \
             a host, with the kernel's work for them\n",
            self.routers, self.vrrp, self.interval_ms, self.kernel
        )?;
        let (master, backup) = ("master", "backup");
        writeln!(
            f,
            "{:<12}{:>10}{master:>13}{backup:>13}{master:>13}{backup:>13}{:>10}{:>8}{:>12}{:>8}",
            "", "measured", "adverts", "late", "longest", "moves"
        )?;
        writeln!(
            f,
            "{:<12}{:>10}{:>13}{:>13}{:>13}{:>13}{:>10}{:>8}{:>12}{:>8}",
            "", "s", "CPU ms/s", "CPU ms/s", "us/advert", "us/advert", "", "", "gap ms", ""
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<12}{:>10}{:>13}{:>13}{:>13}{:>13}{:>10}{:>8}{:>12}{:>8}",
                row.of,
                tenths(row.time_ms / 100),
                tenths(row.per_second(row.master_cpu_us)),
                tenths(row.per_second(row.backup_cpu_us)),
                tenths(row.per_advert(row.master_cpu_us) / 10),
                tenths(row.per_advert(row.backup_cpu_us) / 10),
                row.adverts,
                row.late,
                tenths(row.worst_gap_us / 100),
                row.moves
            )?;
        }
        if let Some([master, backup]) = self.percent {
            let verdict = if self.is_cheap() { "as" } else { "NOT as" };
            writeln!(
                f,
                "\nDirector needs {master} % of keepalived's CPU as master and {backup} % as backup, {verdict} it should: \
                 at most {ALLOWED} %."
            )?;
        }
        Ok(())
    }
}

/// Rounded up: what is too much stays too much.
fn percent(part: u64, whole: u64) -> Option<u64> {
    Some((part * 100).div_ceil(NonZeroU64::new(whole)?.get()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Seen;

    fn report(ours: u64, theirs: u64) -> Report {
        let mut report = Report::new(Population {
            routers: 250,
            version: 3,
            interval: Duration::from_millis(100),
        });
        for (whose, millis) in [(Whose::Keepalived, theirs), (Whose::Director, ours)] {
            let spent = Spent {
                time: Duration::from_secs(10),
                cpu: [Duration::from_millis(millis), Duration::from_millis(100)],
                seen: Seen::default(),
            };
            report.add(Row::of(whose, spent));
        }
        report
    }

    #[test]
    fn more_than_half_of_keepalived_is_too_much() {
        let dear = report(502, 1000);
        // The backup needs the same with either.
        assert_eq!(dear.percent, Some([51, 100]));
        assert!(!dear.is_cheap());
    }

    #[test]
    fn alone_there_is_nothing_to_judge() {
        let mut alone = report(1, 1);
        alone.rows.retain(|row| row.of == "director");
        assert_eq!(alone.compare(), None);
    }
}

//! What a client saw of a service.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a request was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Failure {
    /// Something else than a whole answer with status 200.
    Answer,
    /// Nobody listens there.
    Refused,
    /// The connection was reset, or closed before the answer.
    Reset,
    /// There was no answer in time.
    TimedOut,
    /// There is no way there, or the client's kernel had another reason.
    Unreachable,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Answer => "wrong answer",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed out",
            Self::Unreachable => "unreachable",
        })
    }
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// When it began, since the client's start.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// Who served it.
    pub result: Result<Arc<str>, Failure>,
}

impl Exchange {
    /// When it was over.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.at.saturating_add(self.took)
    }
}

/// The requests of some time, in the order in which they ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LoadReport {
    /// When the time began, since the client's start.
    pub from: Duration,
    /// When it ended.
    pub until: Duration,
    /// Those that began and ended in it.
    pub exchanges: Vec<Exchange>,
}

impl LoadReport {
    /// How many requests each server served.
    #[must_use]
    pub fn served(&self) -> BTreeMap<&str, u32> {
        count(
            self.exchanges
                .iter()
                .filter_map(|each| each.result.as_deref().ok()),
        )
    }

    /// How many were served.
    #[must_use]
    pub fn successes(&self) -> u32 {
        self.served().values().sum()
    }

    /// How many failed, of each kind.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<Failure, u32> {
        count(
            self.exchanges
                .iter()
                .filter_map(|each| each.result.as_ref().err().copied()),
        )
    }

    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> u32 {
        self.failures().values().sum()
    }

    /// How much of what was served this server served, in percent.
    #[must_use]
    pub fn percent(&self, server: &str) -> u32 {
        let served = self.served().get(server).copied().unwrap_or(0);
        served
            .saturating_mul(100)
            .checked_div(self.successes())
            .unwrap_or(0)
    }

    /// The longest time in which no request was served to its end.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let served = self
            .exchanges
            .iter()
            .filter(|each| each.result.is_ok())
            .map(Exchange::ended);
        let mut last = self.from;
        let mut longest = Duration::ZERO;
        for ended in served.chain([self.until]) {
            longest = longest.max(ended.saturating_sub(last));
            last = last.max(ended);
        }
        longest
    }

    /// The time from the beginning to the end that half of the served requests did not exceed.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let mut times: Vec<Duration> = self
            .exchanges
            .iter()
            .filter(|each| each.result.is_ok())
            .map(|each| each.took)
            .collect();
        times.sort_unstable();
        times.get(times.len().checked_sub(1)? / 2).copied()
    }
}

fn count<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, u32> {
    let mut counts = BTreeMap::new();
    for each in all {
        let count: &mut u32 = counts.entry(each).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} served", self.successes(), self.exchanges.len())?;
        for (server, count) in self.served() {
            write!(f, ", {count} by {server}")?;
        }
        for (failure, count) in self.failures() {
            write!(f, ", {count} {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn report() -> LoadReport {
        let served = |at: u32, by: &str| Exchange {
            at: at * MS,
            took: 2 * MS,
            result: Ok(by.into()),
        };
        let failed = |at: u32, took: u32, why| Exchange {
            at: at * MS,
            took: took * MS,
            result: Err(why),
        };
        LoadReport {
            from: 100 * MS,
            until: 1000 * MS,
            exchanges: vec![
                served(120, "web1"),
                served(140, "web2"),
                failed(160, 1, Failure::Refused),
                served(600, "web1"),
                failed(180, 500, Failure::TimedOut),
                served(990, "web1"),
            ],
        }
    }

    #[test]
    fn who_served_and_what_failed_is_counted() {
        let report = report();
        assert_eq!(
            report.to_string(),
            "4 of 6 served, 3 by web1, 1 by web2, 1 refused, 1 timed out"
        );
        assert_eq!(
            (
                report.percent("web1"),
                report.percent("web2"),
                report.percent("web3")
            ),
            (75, 25, 0)
        );
        assert_eq!(report.median(), Some(2 * MS));
        assert_eq!(LoadReport::default().percent("web1"), 0);
        assert_eq!(LoadReport::default().median(), None);
    }

    #[test]
    fn a_gap_is_the_time_without_success() {
        assert_eq!(report().longest_gap(), 460 * MS);
        let mut none = report();
        none.exchanges.retain(|each| each.result.is_err());
        assert_eq!(none.longest_gap(), 900 * MS);
        assert_eq!(LoadReport::default().longest_gap(), Duration::ZERO);
    }
}

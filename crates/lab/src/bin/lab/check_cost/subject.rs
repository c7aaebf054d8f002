//! Who checks the servers.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use locum_ipvs::{Client, Limits};
use locum_lab::{Child, Director, Host, LogMark, wait_until};

use super::Outcome;
use super::farm::Task;

/// Nobody takes longer to fill the table, beside the first round of checks.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

/// How often the table is looked at until it is full.
const LOOK: Duration = Duration::from_millis(500);

/// keepalived's configuration.
const KEEPALIVED: &str = "/run/keepalived.conf";

/// Who checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    Director,
    Keepalived,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Subject {
    /// Its name in the table and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::Keepalived => "keepalived",
        }
    }

    pub(crate) fn start(self, host: &Host, director: &Path, task: Task) -> Outcome<Running> {
        Ok(match self {
            Self::Director => Running::Director(Director::start(host, director, &task.director())?),
            Self::Keepalived => {
                let configuration = Path::new(KEEPALIVED);
                host.write(configuration, &task.keepalived())?;
                let mut keepalived = Command::new("keepalived");
                keepalived
                    .args(["--dont-fork", "--check", "--no-syslog"])
                    .args(["--log-console", "--log-detail", "--use-file"])
                    .arg(configuration)
                    .args(["--pid", "/run/keepalived.pid"])
                    .args(["--checkers_pid", "/run/keepalived-checkers.pid"]);
                Running::Keepalived(host.spawn(keepalived)?)
            }
        })
    }
}

/// One that checks.
#[derive(Debug)]
pub(crate) enum Running {
    Director(Director),
    Keepalived(Child),
}

/// What director counts itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) failed: u64,
    pub(crate) lagged: u64,
    pub(crate) local: u64,
    pub(crate) worst_lag_ms: u64,
}

impl Running {
    pub(crate) fn child(&self) -> &Child {
        match self {
            Self::Director(director) => director.child(),
            Self::Keepalived(child) => child,
        }
    }

    /// Gives it another configuration, which it does not read yet.
    pub(crate) fn rewrite(&self, host: &Host, task: Task) -> Outcome<()> {
        match self {
            Self::Director(director) => director.rewrite(&task.director())?,
            Self::Keepalived(_) => host.write(Path::new(KEEPALIVED), &task.keepalived())?,
        }
        Ok(())
    }

    /// Waits until all are in the table.
    pub(crate) fn wait_full(&self, host: &Host, task: Task) -> Outcome<()> {
        let mut last = 0;
        let full = wait_until("the table to be full", BOUND + 2 * task.interval, || {
            thread::sleep(LOOK);
            last = entries(host).unwrap_or(last);
            last >= task.entries() || !self.child().is_running()
        });
        if full.is_ok() && self.child().is_running() {
            return Ok(());
        }
        let lines = self.child().log().lines();
        let tail = lines.iter().rev().take(20).rev().map(|line| &*line.text);
        let tail = tail.collect::<Vec<_>>().join("\n");
        Err(format!(
            "{last} entries of {} in the table; its log:\n{tail}",
            task.entries()
        )
        .into())
    }

    /// The end of its log.
    pub(crate) fn mark(&self) -> LogMark {
        self.child().log().mark()
    }

    /// How often it has taken a server for down since then: none is.
    pub(crate) fn downs(&self, since: LogMark) -> usize {
        let word = match self {
            Self::Director(_) => " is down",
            Self::Keepalived(_) => "Removing service",
        };
        let lines = self.child().log().after(since);
        lines.iter().filter(|line| line.text.contains(word)).count()
    }

    /// What it has counted; `None` if it tells nobody.
    pub(crate) fn counters(&self) -> Outcome<Option<Counters>> {
        let Self::Director(director) = self else {
            return Ok(None);
        };
        let status = director.status()?;
        let count = |name: &str| {
            let value = status.pointer(&format!("/site/checks/{name}"));
            value
                .and_then(serde_json::Value::as_u64)
                .ok_or_else(|| format!("director counts no {name}"))
        };
        Ok(Some(Counters {
            failed: count("failed")?,
            lagged: count("lagged")?,
            local: count("local_errors")?,
            worst_lag_ms: count("worst_lag_ms")?,
        }))
    }

    /// Ends it, in whatever way.
    pub(crate) fn end(self) {
        if let Err(error) = self.child().terminate(BOUND) {
            eprintln!("it is killed: {error}");
        }
    }
}

/// Services and destinations in the host's table.
pub(crate) fn entries(host: &Host) -> Outcome<usize> {
    let count = host.run(|| {
        let snapshot = Client::open(Limits::default())?.snapshot()?;
        let entries = snapshot.iter().map(|one| 1 + one.destinations.len()).sum();
        Ok::<usize, Box<dyn std::error::Error + Send + Sync>>(entries)
    });
    count.map_err(|error| error as Box<dyn std::error::Error>)
}

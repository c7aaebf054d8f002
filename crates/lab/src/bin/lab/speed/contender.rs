//! Who fills the table and reads it, and how that is timed.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use locum_ipvs::{Client, Limits, Snapshot, plan};
use locum_lab::{Child, Host, wait_until};

use super::now;
use super::rules::Rules;

/// Nobody takes longer.
pub(super) const BOUND: Duration = Duration::from_secs(120);

/// How often it is looked whether a program has filled the table: more would slow it down.
const LOOK: Duration = Duration::from_millis(10);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Who fills the table, and reads it if there is a way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Contender {
    Client,
    Director,
    Ipvsadm,
    Keepalived,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Contender {
    /// Its name in the table and in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Director => "director",
            Self::Ipvsadm => "ipvsadm",
            Self::Keepalived => "keepalived",
        }
    }

    /// Fills the empty table: how long it took, and what runs on.
    pub(super) fn fill(
        self,
        host: &Host,
        director: &Path,
        rules: Rules,
    ) -> Outcome<(Duration, Option<Child>)> {
        match self {
            Self::Client => Ok((by_client(host, rules, Part::Fill)?, None)),
            Self::Director => {
                let configuration = Path::new("/run/director.toml");
                host.write(configuration, &rules.director())?;
                let mut command = Command::new(director);
                command.args(["run", "-c"]).arg(configuration);
                let (took, child) = fill_by_program(host, rules, command)?;
                Ok((took, Some(child)))
            }
            Self::Ipvsadm => Ok((fill_by_ipvsadm(host, rules)?, None)),
            Self::Keepalived => {
                let configuration = Path::new("/run/keepalived.conf");
                host.write(configuration, &rules.keepalived())?;
                let mut keepalived = Command::new("keepalived");
                keepalived
                    .args(["--dont-fork", "--check", "--no-syslog", "--use-file"])
                    .arg(configuration)
                    .args(["--pid", "/run/keepalived.pid"])
                    .args(["--checkers_pid", "/run/keepalived-checkers.pid"]);
                let (took, child) = fill_by_program(host, rules, keepalived)?;
                Ok((took, Some(child)))
            }
        }
    }

    /// Reads the full table; `None` if it has no way to.
    pub(super) fn read(self, host: &Host, rules: Rules) -> Outcome<Option<Duration>> {
        match self {
            Self::Client => by_client(host, rules, Part::Read).map(Some),
            Self::Ipvsadm => read_by_ipvsadm(host, rules).map(Some),
            Self::Director | Self::Keepalived => Ok(None),
        }
    }
}

/// Runs `work` on the host's thread: its sockets are opened there.
fn on<T: Send + 'static>(
    host: &Host,
    work: impl FnOnce() -> Result<T, Box<dyn Error + Send + Sync>> + Send + 'static,
) -> Outcome<T> {
    host.run(work).map_err(|error| error as Box<dyn Error>)
}

/// What this program does, and times, in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    Fill,
    Read,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Read => "read",
        }
    }

    pub(super) fn play(self, rules: Rules) -> Outcome<Duration> {
        match self {
            Self::Fill => fill(rules),
            Self::Read => read(rules),
        }
    }
}

/// From nothing but numbers to a full table.
fn fill(rules: Rules) -> Outcome<Duration> {
    let start = now();
    let table = rules.table()?;
    let mut client = Client::open(Limits::default())?;
    let ops = plan(&table, &client.snapshot()?);
    for outcome in client.apply(&ops) {
        outcome?;
    }
    Ok(now().duration_since(start))
}

fn read(rules: Rules) -> Outcome<Duration> {
    let start = now();
    let snapshot = Client::open(Limits::default())?.snapshot()?;
    let took = now().duration_since(start);
    complete("client", entries(&snapshot), rules.entries())
        .map(|()| took)
        .map_err(|error| error as Box<dyn Error>)
}

/// As other contenders, the client is in a new process each time. Its start does not count: a library has none.
fn by_client(host: &Host, rules: Rules, part: Part) -> Outcome<Duration> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["ipvs-speed", "--part", part.name()])
        .args(rules.arguments());
    let output = host.output(command)?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(Duration::from_micros(said.trim().parse()?))
}

fn fill_by_ipvsadm(host: &Host, rules: Rules) -> Outcome<Duration> {
    let path = Path::new("/run/ipvsadm.rules");
    host.write(path, &rules.ipvsadm())?;
    on(host, move || {
        let rules = File::open(path)?;
        let start = now();
        let status = Command::new("ipvsadm").arg("-R").stdin(rules).status()?;
        let took = now().duration_since(start);
        if status.success() {
            Ok(took)
        } else {
            Err(format!("ipvsadm -R: {status}").into())
        }
    })
}

fn read_by_ipvsadm(host: &Host, rules: Rules) -> Outcome<Duration> {
    on(host, move || {
        let path = "/run/ipvsadm.said";
        let said = File::create(path)?;
        let start = now();
        let status = Command::new("ipvsadm")
            .arg("-Ln")
            .stdin(Stdio::null())
            .stdout(said)
            .status()?;
        let took = now().duration_since(start);
        if !status.success() {
            return Err(format!("ipvsadm -Ln: {status}").into());
        }
        // Under three lines of headings.
        let lines = fs::read_to_string(path)?.lines().count();
        complete("ipvsadm -Ln", lines.saturating_sub(3), rules.entries())?;
        Ok(took)
    })
}

fn complete(
    who: &str,
    entries: usize,
    expected: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    if entries == expected {
        Ok(())
    } else {
        Err(format!("{who} read {entries} entries of {expected}").into())
    }
}

/// Starts `program` and waits until the table is full.
fn fill_by_program(host: &Host, rules: Rules, program: Command) -> Outcome<(Duration, Child)> {
    // It stays in the host's namespace.
    let mut client = on(host, || Ok(Client::open(Limits::default())?))?;
    let last = rules.last();
    let start = now();
    let child = host.spawn(program)?;
    let mut full = None;
    wait_until("the table to be filled", BOUND, || {
        std::thread::sleep(LOOK);
        let at = now();
        // It is cheap to ask for the last service alone: whether the others are there is looked at only then.
        let servers = client.destinations(&last).map_or(0, |all| all.len());
        let complete = servers == usize::from(rules.destinations)
            && client
                .snapshot()
                .is_ok_and(|all| entries(&all) == rules.entries());
        full = complete.then_some(at);
        complete || !child.is_running()
    })?;
    match full {
        Some(full) => Ok((full.duration_since(start), child)),
        None => Err(format!("it ended by itself; it said:\n{}", child.log().text()).into()),
    }
}

fn entries(snapshot: &Snapshot) -> usize {
    snapshot
        .iter()
        .map(|service| 1 + service.destinations.len())
        .sum()
}

//! `lab check-cost`.

pub(crate) mod farm;
mod report;
pub(crate) mod subject;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use locum_lab::Keepalived;
use locum_lab::kernel::Kernel;

use self::farm::{Farm, Task};
use self::report::{Report, Row};
use self::subject::Subject;
use crate::cpu;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// After the first round of checks, what has come in with it is worked off for so long.
const SETTLE: Duration = Duration::from_secs(5);

/// The kernel takes a namespace apart after its last process has gone, on the only CPU.
const PAUSE: Duration = Duration::from_secs(2);

/// So often the interval is halved at most until the machine has more to do than it can.
const HALVINGS: u8 = 8;

/// What does it cost to check many servers? keepalived and director in turn, in one kernel, which is booted if this one
/// has no IPVS: CPU, probes, and servers taken for down though none is. A booted kernel counts CPU by its ticks: compare
/// what this machine spends on its processes (`linux.uml`) as well.
#[derive(Debug, Args)]
pub(crate) struct CheckCost {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// Who checks.
    #[arg(long, value_delimiter = ',', default_value = "keepalived,director")]
    of: Vec<Subject>,
    /// How many servers, ten in a service.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    servers: u16,
    /// How often each is checked, 100ms to 60s.
    #[arg(long, default_value = "10s", value_parser = interval)]
    interval: Duration,
    /// How long each is measured, after the table is full and the first round is over.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// How often each does its work.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Then, director alone: halves the interval until the machine cannot follow, and asks for twice what it could do.
    #[arg(long)]
    overload: bool,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = text
        .parse::<humantime::Duration>()
        .map_err(|error| error.to_string())?;
    let range = Duration::from_millis(100)..=Duration::from_secs(60);
    if range.contains(&interval) {
        Ok(interval.into())
    } else {
        Err("100ms to 60s".to_owned())
    }
}

/// What this needs of a kernel.
pub(crate) fn kernel(arguments: &CheckCost) -> Kernel {
    let run = 2 * subject::BOUND + 4 * arguments.interval + SETTLE + arguments.length();
    let runs = u32::try_from(arguments.of.len()).unwrap_or(u32::MAX);
    let mut runs = runs.saturating_mul(u32::from(arguments.rounds));
    if arguments.overload {
        runs += u32::from(HALVINGS) + 2;
    }
    let kernel = Kernel::new()
        .memory_mib(1024)
        .patience(run.saturating_mul(runs));
    if arguments.of.contains(&Subject::Keepalived) {
        return kernel.program("keepalived", "keepalived");
    }
    kernel
}

impl CheckCost {
    fn length(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// Measures, in a kernel that has IPVS.
pub(crate) fn run(arguments: &CheckCost) -> Outcome<()> {
    if arguments.of.contains(&Subject::Keepalived) {
        eprintln!("keepalived {}", Keepalived::require()?);
    }
    let beside = || Ok::<_, io::Error>(std::env::current_exe()?.with_file_name("director"));
    let director = std::path::absolute(arguments.director.clone().map_or_else(beside, Ok)?)?;
    let mut report = Report::new(arguments.servers);
    let task = Task {
        servers: arguments.servers,
        interval: arguments.interval,
        last_weight: 1,
    };
    for _ in 0..arguments.rounds {
        for &subject in &arguments.of {
            report.add(measure(subject, &director, task, arguments.length())?);
        }
    }
    if arguments.overload {
        overload(arguments, &director, &mut report)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// Finds out how many probes the machine can make, and asks for twice as many.
fn overload(arguments: &CheckCost, director: &Path, report: &mut Report) -> Outcome<()> {
    let mut task = Task {
        servers: arguments.servers,
        interval: arguments.interval,
        last_weight: 1,
    };
    let servers = u64::from(arguments.servers);
    for _ in 0..HALVINGS {
        let row = measure(Subject::Director, director, task, arguments.length())?;
        let (rate, wanted) = (row.rate(), servers * 1000 / row.interval_ms.max(1));
        report.add(row);
        if rate * 10 < wanted * 9 {
            task.interval = Duration::from_millis(servers * 1000 / (2 * rate).max(1));
            eprintln!("the machine can make {rate} probes a second");
            report.add(measure(
                Subject::Director,
                director,
                task,
                arguments.length(),
            )?);
            return Ok(());
        }
        task.interval /= 2;
    }
    Err("the machine could follow at every interval".into())
}

fn measure(subject: Subject, director: &Path, task: Task, length: Duration) -> Outcome<Row> {
    let farm = Farm::new()?;
    let host = farm.checker()?;
    eprintln!("{subject}: each {:?}", task.interval);
    let start = now();
    let running = subject.start(&host, director, task)?;
    let from_start = running.mark();
    running.wait_full(&host, task)?;
    let full = now().duration_since(start);
    eprintln!("{subject}: the table is full after {full:.1?}");
    thread::sleep(task.interval + SETTLE);

    let (began, cpu, connections) = (now(), cpu::used(&host), farm::connections(&farm.host)?);
    thread::sleep(length);
    let took = now().duration_since(began);
    let (cpu, probes) = (
        cpu::used(&host).saturating_sub(cpu),
        farm::connections(&farm.host)?.saturating_sub(connections),
    );
    let counters = running.counters()?;
    let row = Row {
        of: subject.name(),
        interval_ms: millis(task.interval),
        full_ms: millis(full),
        seconds_ms: millis(took),
        cpu_ms: millis(cpu),
        probes,
        false_downs: count(running.downs(from_start)),
        entries: count(subject::entries(&host)?),
        failed: counters.map(|all| all.failed),
        lagged: counters.map(|all| all.lagged),
        local: counters.map(|all| all.local),
        worst_lag_ms: counters.map(|all| all.worst_lag_ms),
    };
    eprintln!("{subject}: {probes} probes in {took:.1?}, CPU {cpu:.1?}");
    running.end();
    drop(host);
    drop(farm);
    thread::sleep(PAUSE);
    Ok(row)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this program measures real time")]
fn now() -> Instant {
    Instant::now()
}

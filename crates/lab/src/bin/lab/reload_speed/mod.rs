//! `lab reload-speed`.

mod report;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use locum_ipvs::{Client, Limits};
use locum_lab::kernel::Kernel;
use locum_lab::{Host, Keepalived, LogMark, Signal, wait_until};

use self::report::{Report, Row};
use crate::Verdict;
use crate::check_cost::farm::{Farm, OF_A_SERVICE, Task};
use crate::check_cost::subject::{BOUND, Running, Subject, entries};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What came in with the start, or with a reload, is worked off for so long.
const SETTLE: Duration = Duration::from_secs(5);
/// How often the table is looked at: more would slow the program down.
const LOOK: Duration = Duration::from_millis(10);
/// What is left in the table then is left for good: nobody runs any more.
const AFTER: Duration = Duration::from_secs(2);
/// The kernel takes a namespace apart after its last process has gone, on the only CPU.
const PAUSE: Duration = Duration::from_secs(2);
/// Reloads without a change: one may meet the periodic look at the table, which takes the only CPU for as long.
const RELOADS: usize = 3;
/// The weight that the last server gets.
const WEIGHT: u32 = 7;

/// How soon does a changed configuration of many services hold? keepalived and director in turn, in one kernel, which is
/// booted if this one has no IPVS: a reload without a change (the median of three), one changed weight until the kernel has
/// it, and a stop. Fails if director is not 50 times as fast as keepalived at the first, needs more than 0.2 s for the
/// second, or leaves anything in the table.
#[derive(Debug, Args)]
pub(crate) struct ReloadSpeed {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// Who reloads.
    #[arg(long, value_delimiter = ',', default_value = "keepalived,director")]
    of: Vec<Subject>,
    /// How many services, with ten servers each.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=6000))]
    services: u16,
    /// How often each server is checked by a connection, 100ms to 60s.
    #[arg(long, default_value = "10s", value_parser = crate::check_cost::interval)]
    interval: Duration,
    /// How often each does its work.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What this needs of a kernel.
pub(crate) fn kernel(arguments: &ReloadSpeed) -> Kernel {
    let run = 6 * BOUND + 6 * arguments.interval;
    let runs = u32::try_from(arguments.of.len()).unwrap_or(u32::MAX);
    let runs = runs.saturating_mul(u32::from(arguments.rounds));
    let kernel = Kernel::new()
        .memory_mib(1024)
        .patience(run.saturating_mul(runs));
    if arguments.of.contains(&Subject::Keepalived) {
        return kernel.program("keepalived", "keepalived");
    }
    kernel
}

/// Measures, in a kernel that has IPVS.
pub(crate) fn run(arguments: &ReloadSpeed) -> Outcome<Verdict> {
    if arguments.of.contains(&Subject::Keepalived) {
        eprintln!("keepalived {}", Keepalived::require()?);
    }
    let director = crate::director(arguments.director.as_deref())?;
    let task = Task {
        servers: arguments.services.saturating_mul(OF_A_SERVICE),
        interval: arguments.interval,
        last_weight: 1,
    };
    let mut report = Report::new(arguments.services);
    for _ in 0..arguments.rounds {
        for &subject in &arguments.of {
            report.add(measure(subject, &director, task)?);
        }
    }
    report.judge();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.is_as_it_should().into())
}

fn measure(subject: Subject, director: &Path, task: Task) -> Outcome<Row> {
    let farm = Farm::new()?;
    let host = farm.checker()?;
    let running = subject.start(&host, director, task)?;
    running.wait_full(&host, task)?;
    eprintln!("{subject}: the table is full");
    if matches!(running, Running::Keepalived(_)) {
        // What it says at the start comes late, and is not to be taken for the end of a reload.
        wait_reloaded(&running, LogMark::START, task)?;
        eprintln!("{subject}: it checks");
    }
    thread::sleep(task.interval + SETTLE);

    let mut unchanged = Vec::new();
    for _ in 0..RELOADS {
        let took = reload_unchanged(&running, task)?;
        eprintln!("{subject}: a reload without a change took {took:.3?}");
        unchanged.push(millis(took));
        thread::sleep(task.interval + SETTLE);
    }
    let command = command(&running)?;
    if let Some(took) = command {
        eprintln!("{subject}: with a command that asks for it and waits, {took:.3?}");
        thread::sleep(task.interval + SETTLE);
    }

    let weight = change_weight(&running, &host, task)?;
    eprintln!("{subject}: a changed weight was in the kernel after {weight:.3?}");
    thread::sleep(task.interval + SETTLE);

    let start = now();
    running.child().terminate(BOUND)?;
    let stop = now().duration_since(start);
    thread::sleep(AFTER);
    let left = entries(&host)?;
    eprintln!("{subject}: the stop took {stop:.3?} and left {left} entries");
    drop(host);
    drop(farm);
    thread::sleep(PAUSE);
    Ok(Row {
        of: subject.name(),
        unchanged_ms: report::median(unchanged).unwrap_or(u64::MAX),
        command_ms: command.map(millis),
        weight_ms: millis(weight),
        stop_ms: millis(stop),
        left: u64::try_from(left).unwrap_or(u64::MAX),
    })
}

/// From the signal until it says that it is done.
fn reload_unchanged(running: &Running, task: Task) -> Outcome<Duration> {
    let (start, mark) = (now(), running.mark());
    running.child().signal(Signal::Hup)?;
    wait_reloaded(running, mark, task)?;
    Ok(now().duration_since(start))
}

/// keepalived tells nobody: but it says when it checks the last server again.
fn wait_reloaded(running: &Running, since: LogMark, task: Task) -> Outcome<()> {
    let last = match running {
        Running::Director(_) => "the configuration was read again".to_owned(),
        Running::Keepalived(_) => {
            format!("healthchecker for service [{}]", task.last_server().ip())
        }
    };
    running.child().log().wait_after(since, &last, BOUND)?;
    Ok(())
}

/// A reload by the command of the program, from its start to its end; `None` if it has none that waits.
fn command(running: &Running) -> Outcome<Option<Duration>> {
    let Running::Director(director) = running else {
        return Ok(None);
    };
    let socket = director.control_socket();
    let socket = socket.to_string_lossy();
    let start = now();
    let output = director.command(["reload", "--socket", &*socket])?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("director reload: {}: {said}", output.status).into());
    }
    Ok(Some(now().duration_since(start)))
}

/// From the signal until the kernel has it.
fn change_weight(running: &Running, host: &Host, task: Task) -> Outcome<Duration> {
    let task = Task {
        last_weight: WEIGHT,
        ..task
    };
    // It stays in the host's namespace.
    let client = host.run(|| Client::open(Limits::default()));
    let (mut client, service) = (client?, task.last_service());
    running.rewrite(host, task)?;
    let mark = running.mark();
    let start = now();
    running.child().signal(Signal::Hup)?;
    let mut changed = None;
    wait_until("the weight to be in the kernel", BOUND, || {
        thread::sleep(LOOK);
        let servers = client.destinations(&service).unwrap_or_default();
        let there = servers
            .iter()
            .any(|server| server.settings.weight == WEIGHT);
        changed = there.then(now);
        there || !running.child().is_running()
    })?;
    let changed = changed.ok_or_else(|| {
        let log = running.child().log();
        format!("it ended by itself; it said:\n{}", log.text())
    })?;
    wait_reloaded(running, mark, task)?;
    Ok(changed.duration_since(start))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this program measures real time")]
fn now() -> Instant {
    Instant::now()
}

//! Simulates LANs of virtual routers: see `--help`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]

use std::fs;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::Parser;
use locum_vrrp_election::Election;
use testkit::sim::{Checks, Limits, Scenario, Sum, explain, failing, shrink, sweep, transcript};

const YEAR: u64 = 365 * 24 * 60 * 60;

/// Simulate LANs of virtual routers, or replay one.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Cli {
    /// Simulate until all virtual routers together have run for so many years
    #[arg(long, conflicts_with = "replay")]
    years: Option<u64>,
    /// With `--years` the first seed (0 if not given), alone the one to run and to print
    #[arg(long)]
    seed: Option<u64>,
    /// How many routers a LAN has: a number, or two with `-` between, from 2 to 7
    #[arg(long, value_parser = routers, default_value = "2-7")]
    routers: (u8, u8),
    /// Run a scenario or a transcript again and say what happens
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    replay: Option<PathBuf>,
    /// Where the transcripts of failures go
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    output: PathBuf,
}

fn routers(text: &str) -> Result<(u8, u8), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        text.parse::<u8>()
            .ok()
            .filter(|count| (2..=7).contains(count))
    };
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => Err("a number from 2 to 7, or two of them".to_owned()),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let limits = Limits {
        machines: cli.routers,
    };
    let done = match (&cli.replay, cli.years, cli.seed) {
        (Some(file), _, _) => replay(file),
        (None, None, Some(seed)) => one(seed, limits, &cli.output),
        (None, years, seed) => Ok(many(
            years.unwrap_or(1),
            seed.unwrap_or(0),
            limits,
            &cli.output,
        )),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

/// One seed, with its whole transcript.
fn one(seed: u64, limits: Limits, output: &Path) -> Done {
    let scenario = Scenario::from_seed(seed, limits);
    let (outcome, text) = transcript::<Election>(&scenario, Checks::all());
    print!("{text}");
    if outcome.violation.is_none() {
        println!(
            "seed {seed}: every invariant held in {} events",
            outcome.events
        );
        return Ok(ExitCode::SUCCESS);
    }
    report(seed, limits, output)?;
    Ok(ExitCode::FAILURE)
}

fn replay(file: &Path) -> Done {
    let text = fs::read_to_string(file)?;
    let Some(scenario) = failing(&text)? else {
        print!("{}", explain(&text)?);
        return Ok(ExitCode::SUCCESS);
    };
    let (outcome, again) = transcript::<Election>(&scenario, Checks::all());
    print!("{again}");
    if text.trim_start().starts_with("locum-transcript") && text != again {
        println!("the transcript in {} is another one", file.display());
    }
    match outcome.violation {
        Some(violation) => {
            println!("{violation}");
            Ok(ExitCode::FAILURE)
        }
        None => {
            println!("every invariant held in {} events", outcome.events);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Shrinks the failing scenario of `seed`, and writes down what is left of it.
fn report(seed: u64, limits: Limits, output: &Path) -> Result<(), io::Error> {
    let scenario = Scenario::from_seed(seed, limits);
    let (outcome, _) = transcript::<Election>(&scenario, Checks::all());
    let Some(violation) = outcome.violation else {
        return Ok(());
    };
    println!("seed {seed}: {violation}");
    println!("shrinking it …");
    let small = shrink::<Election>(&scenario, Checks::all(), violation.invariant);
    let (outcome, text) = transcript::<Election>(&small, Checks::all());
    print!("{text}");
    if let Some(violation) = outcome.violation {
        println!("{violation}");
    }
    fs::create_dir_all(output)?;
    let file = output.join(format!("seed-{seed}.transcript"));
    fs::write(&file, text)?;
    println!(
        "to see it again:       cargo xtask sim --replay {}",
        file.display()
    );
    println!(
        "before it was shrunk:  cargo xtask sim --seed {seed}{}",
        flag(limits)
    );
    Ok(())
}

fn flag(limits: Limits) -> String {
    if limits == Limits::default() {
        return String::new();
    }
    let (from, to) = limits.machines;
    format!(" --routers {from}-{to}")
}

fn many(years: u64, first: u64, limits: Limits, output: &Path) -> ExitCode {
    let threads = available_parallelism().map_or(1, usize::from);
    let began = now();
    let terminal = io::stderr().is_terminal();
    let said = Mutex::new(began);
    let sum = sweep::<Election>(first..u64::MAX, limits, Checks::all(), threads, |sum| {
        if terminal && let Ok(mut said) = said.lock() {
            let now = now();
            if now.duration_since(*said) >= Duration::from_millis(250) {
                *said = now;
                eprint!("\r{}", line(sum, now.duration_since(began)));
            }
        }
        if sum.failures.is_empty() && sum.router_seconds < years.saturating_mul(YEAR) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    if terminal {
        eprintln!();
    }
    println!("{}", line(&sum, now().duration_since(began)));
    println!(
        "{} events, {} takeovers, {} times in order again, {} planned changes",
        sum.events, sum.takeovers, sum.settled, sum.planned
    );
    let Some((seed, _)) = sum.failures.iter().min_by_key(|(seed, _)| *seed) else {
        println!(
            "every invariant held; the next seed is {}",
            first + sum.seeds
        );
        return ExitCode::SUCCESS;
    };
    if let Err(error) = report(*seed, limits, output) {
        eprintln!("error: {error}");
    }
    ExitCode::FAILURE
}

/// Integers alone: years in hundredths.
fn line(sum: &Sum, took: Duration) -> String {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let years = sum.router_seconds * 100 / YEAR;
    let speed = sum.router_seconds.saturating_mul(100_000) / YEAR / millis;
    let hours = sum.router_seconds.saturating_mul(1000) / 3600 / millis;
    format!(
        "{} seeds, {}.{:02} router-years in {}.{} s: {}.{:02} router-years a second ({hours} router-hours)",
        sum.seeds,
        years / 100,
        years % 100,
        millis / 1000,
        millis % 1000 / 100,
        speed / 100,
        speed % 100,
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock here, for what a person reads"
)]
fn now() -> Instant {
    Instant::now()
}

//! `lab ipvs-speed`.

mod contender;
mod report;
mod rules;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io, path};

use clap::Args;
use locum_ipvs::{Client, Limits, Op, plan};
use locum_lab::kernel::Kernel;
use locum_lab::{Host, Keepalived};

use self::contender::{Contender, Part};
use self::report::{Report, Work};
use self::rules::Rules;
use crate::code;

/// The kernel takes a namespace apart after its last process has gone, on the only CPU.
const SETTLE: Duration = Duration::from_secs(1);

/// How fast is IPVS filled and read? Our client, `ipvsadm`, and director and keepalived from their start; in turn, in one kernel, which
/// is booted if this one has no IPVS. Each filling is compared with what should be there.
#[derive(Debug, Args)]
pub(crate) struct Speed {
    /// The director to measure; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    director: Option<PathBuf>,
    /// Who fills and reads.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "client,ipvsadm,director,keepalived"
    )]
    of: Vec<Contender>,
    /// How many services.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    services: u16,
    /// How many destinations each has.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=250))]
    destinations: u8,
    /// How often each does its work.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Does only this, here, and says how many microseconds it took.
    #[arg(long, hide = true)]
    part: Option<Part>,
}

/// Measures where IPVS is.
pub(crate) fn main(arguments: &Speed) -> ExitCode {
    match arguments.part {
        Some(part) => code(play(part, arguments)),
        None => kernel(arguments).run(|| code(run(arguments))),
    }
}

fn play(part: Part, arguments: &Speed) -> Result<(), Box<dyn Error>> {
    let rules = Rules::new(arguments.services, arguments.destinations);
    println!("{}", part.play(rules)?.as_micros());
    Ok(())
}

fn kernel(arguments: &Speed) -> Kernel {
    let patience = Duration::from_secs(120 + 120 * u64::from(arguments.rounds));
    let mut kernel = Kernel::new().memory_mib(1024).patience(patience);
    if arguments.of.contains(&Contender::Ipvsadm) {
        kernel = kernel.program("ipvsadm", "ipvsadm");
    }
    if arguments.of.contains(&Contender::Keepalived) {
        kernel = kernel.program("keepalived", "keepalived");
    }
    kernel
}

fn run(arguments: &Speed) -> Result<(), Box<dyn Error>> {
    let rules = Rules::new(arguments.services, arguments.destinations);
    if arguments.of.contains(&Contender::Keepalived) {
        eprintln!("keepalived {}", Keepalived::require()?);
    }
    let beside = || Ok::<_, io::Error>(env::current_exe()?.with_file_name("director"));
    let director = arguments.director.clone().map_or_else(beside, Ok)?;
    let director = path::absolute(director)?;
    if arguments.of.contains(&Contender::Director) && !director.is_file() {
        return Err(format!(
            "there is no {}: build it with `cargo build --release -p director`",
            director.display()
        )
        .into());
    }
    let mut report = Report::new(arguments.services, arguments.destinations, arguments.rounds);
    for round in 1..=arguments.rounds {
        for &contender in &arguments.of {
            let (filled, read) = measure(contender, &director, rules)?;
            report.add(contender, Work::Fill, filled);
            if let Some(read) = read {
                report.add(contender, Work::Read, read);
            }
            eprintln!("round {round}: {contender}: filled in {filled:?}");
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// Times one filling and one reading, in a network namespace that has had no destinations yet: the kernel keeps deleted ones for
/// two minutes, and searches them for each new one.
fn measure(
    contender: Contender,
    director: &Path,
    rules: Rules,
) -> Result<(Duration, Option<Duration>), Box<dyn Error>> {
    let host = Host::new("balancer")?;
    let (filled, running) = contender.fill(&host, director, rules)?;
    check(&host, rules)?;
    let read = contender.read(&host, rules)?;
    if let Some(running) = running {
        running.terminate(contender::BOUND)?;
    }
    flush(&host)?;
    drop(host);
    thread::sleep(SETTLE);
    Ok((filled, read))
}

fn flush(host: &Host) -> Result<(), Box<dyn Error>> {
    host.run(|| {
        Client::open(Limits::default())?
            .apply_one(Op::Flush)
            .map_err(Into::into)
    })
    .map_err(|error: Box<dyn Error + Send + Sync>| error as Box<dyn Error>)
}

/// Is everything there that should be, and nothing else?
fn check(host: &Host, rules: Rules) -> Result<(), Box<dyn Error>> {
    let table = rules.table()?;
    let missing = host.run(move || {
        let snapshot = Client::open(Limits::default())?.snapshot()?;
        Ok::<_, Box<dyn Error + Send + Sync>>(plan(&table, &snapshot).len())
    });
    match missing.map_err(|error| error as Box<dyn Error>)? {
        0 => Ok(()),
        changes => {
            Err(format!("the table is not what it should be: {changes} changes are missing").into())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this program measures real time")]
fn now() -> Instant {
    Instant::now()
}

//! `lab`: measures in a laboratory on this machine.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]

mod check_cost;
mod churn;
mod cpu;
mod failover;
mod flood;
mod reload_speed;
mod router_cost;
mod routers;
mod scale;
mod scripts;
mod speed;
mod whose;
mod wire;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use locum_lab::kernel;

/// Measures in a laboratory of network namespaces on this machine. Needs root; changes nothing outside them.
#[derive(Debug, Parser)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    CheckCost(check_cost::CheckCost),
    Churn(churn::Churn),
    Cost(router_cost::RouterCost),
    Failover(failover::Failover),
    Flood(flood::FloodArguments),
    IpvsSpeed(speed::Speed),
    ReloadSpeed(reload_speed::ReloadSpeed),
    Scale(scale::Scale),
    Scripts(scripts::Scripts),
}

fn main() -> ExitCode {
    kernel::first_process();
    match Cli::parse().verb {
        Verb::CheckCost(arguments) => {
            check_cost::kernel(&arguments).run(|| code(check_cost::run(&arguments)))
        }
        Verb::Churn(arguments) if arguments.without_ipvs => judged(churn::run(&arguments)),
        Verb::Churn(arguments) => churn::kernel(&arguments).run(|| judged(churn::run(&arguments))),
        Verb::Cost(arguments) => judged(router_cost::run(&arguments)),
        Verb::Failover(arguments) => code(failover::run(&arguments)),
        Verb::Flood(arguments) => judged(flood::run(&arguments)),
        Verb::IpvsSpeed(arguments) => speed::main(&arguments),
        Verb::ReloadSpeed(arguments) => {
            reload_speed::kernel(&arguments).run(|| judged(reload_speed::run(&arguments)))
        }
        Verb::Scale(arguments) => judged(scale::run(&arguments)),
        Verb::Scripts(arguments) => judged(scripts::run(&arguments)),
    }
}

/// Was what was measured as it should be?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    AsItShould,
    NotAsItShould,
}

impl From<bool> for Verdict {
    fn from(good: bool) -> Self {
        if good {
            Self::AsItShould
        } else {
            Self::NotAsItShould
        }
    }
}

fn judged(result: Result<Verdict, Box<dyn Error>>) -> ExitCode {
    let mut verdict = Verdict::AsItShould;
    match code(result.map(|judged| verdict = judged)) {
        ExitCode::SUCCESS if verdict == Verdict::NotAsItShould => ExitCode::FAILURE,
        code => code,
    }
}

/// The director to measure: by default the one beside this program.
fn director(given: Option<&Path>) -> io::Result<PathBuf> {
    match given {
        Some(path) => std::path::absolute(path),
        None => Ok(std::env::current_exe()?.with_file_name("director")),
    }
}

fn code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("lab: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}

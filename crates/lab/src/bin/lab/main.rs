//! `lab`: measures in a laboratory on this machine.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]

mod check_cost;
mod cpu;
mod failover;
mod router_cost;
mod routers;
mod speed;
mod wire;

use std::error::Error;
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
    Cost(router_cost::RouterCost),
    Failover(failover::Failover),
    IpvsSpeed(speed::Speed),
}

fn main() -> ExitCode {
    kernel::first_process();
    match Cli::parse().verb {
        Verb::CheckCost(arguments) => {
            check_cost::kernel(&arguments).run(|| code(check_cost::run(&arguments)))
        }
        Verb::Cost(arguments) => router_cost::main(&arguments),
        Verb::Failover(arguments) => code(failover::run(&arguments)),
        Verb::IpvsSpeed(arguments) => speed::main(&arguments),
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

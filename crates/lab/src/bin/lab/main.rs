//! `lab`: measures in a laboratory on this machine.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]

mod failover;
mod speed;

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
    Failover(failover::Failover),
    IpvsSpeed(speed::Speed),
}

fn main() -> ExitCode {
    kernel::first_process();
    match Cli::parse().verb {
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

//! `cargo xtask`: everything a contributor or CI runs, one module for each verb.
//!
//! Every command is printed before it runs, with the time it took after, and a summary closes the
//! run. What a machine lacks is installed only after asking (`needs`).

#![expect(
    clippy::print_stdout,
    reason = "a command-line program talks on stdout"
)]

mod bench;
mod cargo_tool;
mod ci;
mod demo;
mod dist;
mod fuzz;
mod install;
mod lab;
mod needs;
mod privilege;
mod servers;
mod shell;
mod sim;
mod steps;
mod supply;
mod tally;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, tests and measures Locum. Start with `demo`, then `test`.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Nothing is installed without asking first, unless --yes is given or the environment variable CI is
set. Tests, demo and lab open network namespaces and raw sockets, so they need root: as another user
they go through sudo. They touch no interface of this machine, only namespaces that they make.
CARGO_TARGET_DIR is respected.")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Test(test::Args),
    Ci(ci::Args),
    Demo(demo::Args),
    Dist(dist::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Lab(lab::Args),
    Sim(sim::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Test(args) => Ok(test::run(&args)),
        Verb::Ci(args) => ci::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Dist(args) => dist::run(&args),
        Verb::Bench(args) => Ok(bench::run(&args)),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Lab(args) => lab::run(&args),
        Verb::Sim(args) => sim::run(&args),
    };
    done.unwrap_or_else(|error| {
        println!("error: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

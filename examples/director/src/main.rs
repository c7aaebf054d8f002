//! The program `director`: see `locum_director`, which does the work.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps a virtual IP address on exactly one of several Linux machines, by VRRP.
#[derive(Debug, Parser)]
#[command(version, after_help = HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
A first configuration, director.toml; on the other machine the same with another priority:

  [[virtual_router]]
  name = \"web\"
  interface = \"eth0\"
  vrid = 51
  priority = 150
  addresses = [\"192.0.2.10/24\"]

Then:

  director check -c director.toml     every mistake at once, with its place and cure
  director run -c director.toml       take part in the election
  director status                     who is master, and what is wrong";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Director(locum_director::cli::Command),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Director(command) => command.execute(),
    }
}

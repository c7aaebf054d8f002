//! The program `director`: see `locum_director`, which does the work.

mod demo;
mod pages;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Keeps a virtual IP address on exactly one of several Linux machines, by VRRP, and balances what comes to it over
/// servers that work, by IPVS.
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
  director doctor -c director.toml    what on this machine would make it fail
  director run -c director.toml       take part in the election, check servers, balance
  director status                     who is master, which servers are up, and what is wrong
  director demo                       see it all fail over, on this machine alone";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Director(locum_director::cli::Command),
    /// Show what becomes of a site whose parts die, in a laboratory on this machine
    #[command(after_help = demo::HELP)]
    Demo(demo::Arguments),
    /// Print what lets a shell complete commands and options
    #[command(after_help = pages::COMPLETIONS_HELP)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, section 8, to a directory
    #[command(hide = true, after_help = pages::MAN_HELP)]
    Man {
        /// Where to; it must exist
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    // In the kernel that `demo` boots.
    locum_lab::kernel::first_process();
    let done = match Arguments::parse().command {
        Command::Director(command) => return command.execute(),
        Command::Demo(arguments) => demo::execute(&arguments),
        Command::Completions { shell } => pages::completions(shell, Arguments::command()),
        Command::Man { directory } => pages::write_manual(Arguments::command(), &directory),
    };
    done.unwrap_or_else(|error| {
        // Nobody reads it if that fails.
        let _ = writeln!(io::stderr(), "director: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_can_be_parsed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_pairs_options_are_for_the_pair() {
        for (line, valid) in [
            ("director demo", true),
            ("director demo --json", true),
            ("director demo --pair --runs 1 --interval 1s", true),
            ("director demo --runs 1", false),
            ("director demo --interval 1s", false),
            ("director demo --pair --runs 0", false),
        ] {
            let parsed = Arguments::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), valid, "{line}: {parsed:?}");
        }
    }
}

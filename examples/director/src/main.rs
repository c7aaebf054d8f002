//! The program `director`: see `locum_director`, which does the work.

mod demo;
mod pages;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use locum_director::cli::RunArguments;

/// Keeps a virtual IP address on exactly one of several Linux machines, by VRRP, and balances what comes to it over
/// servers that work, by IPVS.
#[derive(Debug, Parser)]
#[command(version, after_help = HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// As [`Arguments`], for the one command that must start fast: all the others are not even put together.
#[derive(Debug, Parser)]
#[command(name = "director")]
enum OnlyRun {
    Run(RunArguments),
}

impl OnlyRun {
    /// `None` is for [`Arguments`] to understand, or to complain about.
    fn parse_from(words: impl Iterator<Item = OsString> + Clone) -> Option<Arguments> {
        words.clone().nth(1).filter(|command| command == "run")?;
        let Self::Run(arguments) = Self::try_parse_from(words).ok()?;
        let command = locum_director::cli::Command::Run(arguments);
        Some(Arguments {
            command: Command::Director(command),
        })
    }
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
    let words = env::args_os().collect::<Vec<_>>().into_iter();
    let arguments = OnlyRun::parse_from(words).unwrap_or_else(Arguments::parse);
    let done = match arguments.command {
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
    fn what_runs_is_understood_alone() {
        for (line, valid) in [
            ("director run -c a.toml", true),
            ("director run --config a.toml --single-process -vv", true),
            ("director run", false),
            ("director run --help", false),
            ("director status", false),
            ("director", false),
        ] {
            let words = line.split(' ').map(OsString::from).collect::<Vec<_>>();
            let alone = OnlyRun::parse_from(words.into_iter());
            assert_eq!(alone.is_some(), valid, "{line}");
            if let Some(alone) = alone {
                let all = Arguments::try_parse_from(line.split(' ')).unwrap();
                assert_eq!(format!("{alone:?}"), format!("{all:?}"));
            }
        }
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

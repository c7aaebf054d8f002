//! The command line. Exit codes are part of the interface: see each command.

mod change;
mod check;
mod child;
mod doctor;
mod events;
mod plan;
mod real_server;
mod run;
mod socket;
mod source;
mod status;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Subcommand;

pub use self::change::{
    FailoverArguments, PriorityArguments, ReloadArguments, RestoreArguments, ServerArguments,
    WeightArguments,
};
pub use self::check::CheckArguments;
pub use self::child::ChildArguments;
pub use self::doctor::DoctorArguments;
pub use self::events::EventsArguments;
pub use self::plan::PlanArguments;
pub use self::real_server::RealServerArguments;
pub use self::run::RunArguments;
pub use self::status::StatusArguments;
pub use crate::logging::LogFormat;

use crate::config::Style;
use crate::words;

/// A command of `director`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    #[command(about = "Take part in the elections of a configuration, in the foreground")]
    #[command(after_help = run::HELP)]
    /// Runs the director.
    Run(RunArguments),
    #[command(about = "Check a configuration: every mistake at once, with its place and cure")]
    #[command(after_help = check::HELP)]
    /// Checks a configuration.
    Check(CheckArguments),
    #[command(about = "Show what the running director is doing")]
    #[command(after_help = status::HELP)]
    /// Shows the status.
    Status(StatusArguments),
    #[command(about = "Show what has happened in the running director, in order, and follow it")]
    #[command(after_help = events::HELP)]
    /// Shows the events.
    Events(EventsArguments),
    #[command(about = "Have the running director read its configuration again")]
    #[command(after_help = change::help::RELOAD)]
    /// Reads the configuration again.
    Reload(ReloadArguments),
    #[command(about = "Let a server finish its connections, and give it no new ones")]
    #[command(after_help = change::help::DRAIN)]
    /// Drains a server.
    Drain(ServerArguments),
    #[command(about = "Take a server out at once")]
    #[command(after_help = change::help::MAINTENANCE)]
    /// Takes a server out.
    Maintenance(ServerArguments),
    #[command(about = "Let a server serve again: take back drain, maintenance and weight")]
    #[command(after_help = change::help::READY)]
    /// Lets a server serve.
    Ready(ServerArguments),
    #[command(about = "Give a server another weight")]
    #[command(after_help = change::help::WEIGHT)]
    /// Changes the weight of a server.
    Weight(WeightArguments),
    #[command(about = "Give a virtual router another priority")]
    #[command(after_help = change::help::PRIORITY)]
    /// Changes the priority of a virtual router.
    Priority(PriorityArguments),
    #[command(about = "Hand a virtual router or sync group over to another machine")]
    #[command(after_help = change::help::FAILOVER)]
    /// Hands over.
    Failover(FailoverArguments),
    #[command(about = "Take back priority and failover of a virtual router or sync group")]
    #[command(after_help = change::help::RESTORE)]
    /// Takes back what was changed of a virtual router.
    Restore(RestoreArguments),
    #[command(about = "Find out what would make the site fail, on a director or a real server")]
    #[command(after_help = doctor::HELP)]
    /// Looks for what is wrong.
    Doctor(DoctorArguments),
    #[command(
        about = "Show what a start would change in the kernel of this machine, and change nothing"
    )]
    #[command(after_help = plan::HELP)]
    /// Shows what would change.
    Plan(PlanArguments),
    #[command(about = "Make this machine a real server for virtual addresses, or undo it")]
    #[command(after_help = real_server::HELP)]
    /// Sets up a real server.
    RealServer(RealServerArguments),
    #[command(hide = true, about = "A part of `director run`, which starts it")]
    /// Runs a part of the director.
    Child(ChildArguments),
}

impl Command {
    /// Carries it out, with its output on standard output and its errors on standard error.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Run(arguments) => run::execute(&arguments),
            Self::Check(arguments) => check::execute(&arguments),
            Self::Status(arguments) => status::execute(&arguments),
            Self::Events(arguments) => events::execute(&arguments),
            Self::Reload(arguments) => change::reload(arguments),
            Self::Drain(arguments) => change::drain(arguments),
            Self::Maintenance(arguments) => change::maintenance(arguments),
            Self::Ready(arguments) => change::ready(arguments),
            Self::Weight(arguments) => change::weight(arguments),
            Self::Priority(arguments) => change::priority(arguments),
            Self::Failover(arguments) => change::failover(arguments),
            Self::Restore(arguments) => change::restore(arguments),
            Self::Doctor(arguments) => doctor::execute(&arguments),
            Self::Plan(arguments) => plan::execute(&arguments),
            Self::RealServer(arguments) => real_server::execute(&arguments),
            Self::Child(arguments) => child::execute(arguments),
        })
    }
}

/// All is well.
const DONE: u8 = 0;
/// Something did not work.
const FAILED: u8 = 1;
/// The configuration is wrong.
const INVALID: u8 = 2;
/// The configuration cannot be read.
const UNREADABLE: u8 = 3;

fn print(text: &str) {
    // A reader that went away does not want the rest.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Says what failed, with its causes, and what to do about it.
fn fail(error: &(dyn Error + 'static), cure: &str) {
    let text = words::chain(error);
    let separator = if cure.is_empty() { "" } else { "\n" };
    print_error(&format!("director: {text}{separator}{cure}\n"));
}

fn style(stream: &impl IsTerminal) -> Style {
    if stream.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Style::Terminal
    } else {
        Style::Plain
    }
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    /// What prints nothing that a program would read.
    const PRINT_NOTHING: [&str; 1] = ["director run"];

    /// Calls `see` with each command that does something, and all its words.
    fn each(command: &clap::Command, words: &str, see: &mut impl FnMut(&clap::Command, &str)) {
        let mut inner = command.get_subcommands().filter(|one| !one.is_hide_set());
        match inner.next() {
            None => see(command, words),
            Some(first) => std::iter::once(first)
                .chain(inner)
                .for_each(|one| each(one, &format!("{words} {}", one.get_name()), see)),
        }
    }

    fn director() -> clap::Command {
        super::Command::augment_subcommands(clap::Command::new("director"))
    }

    #[test]
    fn the_help_of_every_command_has_an_example_and_its_exit_codes() {
        each(&director(), "director", &mut |command, words| {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(
                help.contains("Examples:\n") && help.contains(&format!("  {words}")),
                "no example: {words}"
            );
            assert!(help.contains("\nExit codes: 0 "), "no exit codes: {words}");
        });
    }

    #[test]
    fn every_command_that_prints_does_so_as_json_too() {
        each(&director(), "director", &mut |command, words| {
            let mut arguments = command.get_arguments();
            let json = arguments.any(|one| one.get_long() == Some("json"));
            assert_eq!(json, !PRINT_NOTHING.contains(&words), "{words}");
        });
    }
}

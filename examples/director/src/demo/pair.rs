//! A pair fails over, beside keepalived.

use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use locum_lab::failover::{self, Implementation, Picture, Progress, Scenario};
use locum_lab::{Keepalived, LabError, require_privileges};

use super::Form;
use super::screen::{self, Screen};

/// What `demo --pair` is told.
#[derive(Debug, clap::Args)]
// Else a group of this name, and there is one.
#[group(skip)]
pub(super) struct Arguments {
    /// How often each failure is measured [default: 3]
    #[arg(long, requires = "pair", value_parser = clap::value_parser!(u16).range(1..=20))]
    runs: Option<u16>,
    /// Between two advertisements [default: 100ms]
    #[arg(long, requires = "pair", value_enum)]
    interval: Option<Interval>,
}

/// From the shortest that VRRP can have to the default.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Interval {
    #[value(name = "10ms")]
    TenMillis,
    #[value(name = "100ms")]
    HundredMillis,
    #[value(name = "1s")]
    Second,
}

impl Interval {
    const fn duration(self) -> Duration {
        Duration::from_millis(match self {
            Self::TenMillis => 10,
            Self::HundredMillis => 100,
            Self::Second => 1000,
        })
    }
}

pub(super) fn execute(arguments: &Arguments, form: Form) -> anyhow::Result<()> {
    require_privileges()?;
    let mut screen = Screen::new(form);
    let director = std::env::current_exe().context("this program cannot find itself")?;
    let mut implementations = vec![Implementation::Director(director)];
    match Keepalived::require() {
        Ok(_) => implementations.push(Implementation::Keepalived),
        Err(error) => screen.say(&format!("without keepalived beside it: {error}"))?,
    }
    let mut outcomes = Vec::new();
    for implementation in implementations {
        let scenario = Scenario::new(implementation)
            .interval(
                arguments
                    .interval
                    .unwrap_or(Interval::HundredMillis)
                    .duration(),
            )
            .runs(arguments.runs.unwrap_or(3));
        outcomes.push(show(&scenario, &mut screen)?);
    }
    match form {
        Form::Json => screen::write(&format!("{}\n", serde_json::to_string_pretty(&outcomes)?)),
        Form::People => {
            screen.say("\nHow long the client was without its address:\n")?;
            screen.say(failover::table(&outcomes).trim_end())
        }
    }
}

fn show(scenario: &Scenario, screen: &mut Screen) -> anyhow::Result<failover::Outcome> {
    let mut picture = Picture::new(scenario);
    screen.note(picture.title())?;
    let mut drawn = Ok(());
    let outcome = failover::run(scenario, |progress| {
        let now = match progress {
            Progress::Measured(measurement) => {
                screen.note(&format!("  {}", picture.measured(measurement)))
            }
            Progress::Tick(view) => {
                picture.observe(view);
                screen.draw(&picture.lines())
            }
            _ => Ok(()),
        };
        if now.is_err() {
            drawn = now;
        }
    })
    .map_err(|error: LabError| anyhow::Error::new(error))?;
    drawn?;
    screen.end(&picture.lines())?;
    Ok(outcome)
}

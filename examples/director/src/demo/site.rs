//! The whole site, on a kernel with IPVS.

use std::process::ExitCode;

use anyhow::Context;
use locum_lab::kernel::Kernel;
use locum_lab::tour::{self, Picture, Progress};

use super::Form;
use super::screen::{self, Screen};

/// Runs it where IPVS is: here, or in a kernel that is booted, in which this program comes here again.
pub(super) fn execute(form: Form) -> anyhow::Result<ExitCode> {
    let mut outcome = Ok(());
    let code = Kernel::new().run(|| {
        outcome = show(form);
        if outcome.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    });
    outcome.map(|()| code)
}

fn show(form: Form) -> anyhow::Result<()> {
    let director = std::env::current_exe().context("this program cannot find itself")?;
    let mut screen = Screen::new(form);
    let mut picture = Picture::new();
    screen.note(Picture::title())?;
    let mut drawn = Ok(());
    let outcome = tour::run(&director, |progress| {
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
    })?;
    drawn?;
    match form {
        Form::Json => screen::write(&format!("{}\n", serde_json::to_string_pretty(&outcome)?)),
        Form::People => {
            screen.end(&picture.scene())?;
            screen.say(tour::table(&outcome).trim_end())
        }
    }
}

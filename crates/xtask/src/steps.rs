//! The steps of one run and the summary at its end.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::shell::Cmd;

/// What has been done so far. A failed step does not stop the next: one run shows all failures.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    outcome: Outcome,
    took: Duration,
}

#[derive(Debug)]
enum Outcome {
    Failed(String),
    NotRun(String),
    Passed(String),
}

impl Steps {
    /// Runs a command as a step of its own.
    pub(crate) fn cmd(&mut self, name: &str, cmd: &Cmd) {
        self.step(name, || cmd.run().map(|()| String::new()));
    }

    /// Runs `work` as one step; the text it returns is repeated in the summary.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<String>) {
        println!("\n=== {name}");
        let started = now();
        let outcome = match work() {
            Ok(note) => Outcome::Passed(note),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        let took = now().duration_since(started);
        if let Outcome::Failed(why) = &outcome {
            println!("\n!!! {name} FAILED: {why}");
        }
        println!("    ({name}: {:.1} s)", took.as_secs_f64());
        self.done.push(Step {
            name: name.to_owned(),
            outcome,
            took,
        });
    }

    /// Prepares what later steps need; what cannot be had here is noted as not run.
    pub(crate) fn prepare<T>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> Option<T> {
        println!("\n=== {name}");
        let started = now();
        let prepared = work();
        let took = now().duration_since(started);
        let (outcome, prepared) = match prepared {
            Ok(prepared) => (Outcome::Passed(String::new()), Some(prepared)),
            Err(error) => {
                println!("\n!!! {name} NOT RUN: {error:#}");
                (Outcome::NotRun(format!("{error:#}")), None)
            }
        };
        println!("    ({name}: {:.1} s)", took.as_secs_f64());
        self.done.push(Step {
            name: name.to_owned(),
            outcome,
            took,
        });
        prepared
    }

    /// Notes that something was left out, loudly.
    pub(crate) fn not_run(&mut self, name: &str, why: &str) {
        println!("\n!!! {name} NOT RUN: {why}");
        let outcome = Outcome::NotRun(why.to_owned());
        self.done.push(Step {
            name: name.to_owned(),
            outcome,
            took: Duration::ZERO,
        });
    }

    /// Prints the summary; a failure if any step failed.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n=== summary");
        self.done
            .iter()
            .for_each(|step| println!("{}", step.line()));
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        let failed = self.failed();
        println!(
            "{} steps, {failed} failed, {:.1} s",
            self.done.len(),
            total.as_secs_f64()
        );
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn failed(&self) -> usize {
        self.done
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Failed(_)))
            .count()
    }
}

impl Step {
    fn line(&self) -> String {
        let (word, note) = match &self.outcome {
            Outcome::Failed(why) => ("FAILED", why),
            Outcome::NotRun(why) => ("NOT RUN", why),
            Outcome::Passed(note) => ("passed", note),
        };
        let line = format!("{word:<8}{:>7.1} s  {}", self.took.as_secs_f64(), self.name);
        if note.is_empty() {
            line
        } else {
            format!("{line}: {note}")
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock here, for what a person reads"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn one_failure_fails_the_run_but_not_the_steps_after_it() {
        let mut steps = Steps::default();
        steps.step("first", || Err(anyhow!("broken")));
        let mut ran = false;
        steps.step("second", || {
            ran = true;
            Ok("fine".to_owned())
        });
        assert!(ran);
        assert_eq!(steps.done[0].line(), "FAILED      0.0 s  first: broken");
        assert_eq!(steps.done[1].line(), "passed      0.0 s  second: fine");
        assert_eq!(steps.failed(), 1);
        assert_eq!(steps.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn what_was_not_run_is_said_and_is_no_failure() {
        let mut steps = Steps::default();
        steps.not_run("advisories", "no network");
        assert_eq!(
            steps.done[0].line(),
            "NOT RUN     0.0 s  advisories: no network"
        );
        assert_eq!(steps.prepare("mirror", || Ok(7)), Some(7));
        let nothing: Option<u8> = steps.prepare("mirror", || Err(anyhow!("no network")));
        assert_eq!(nothing, None);
        assert!(steps.done[2].line().starts_with("NOT RUN "));
        assert_eq!(steps.finish(), ExitCode::SUCCESS);
    }
}

//! `cargo xtask bench`.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use crate::{shell::Cmd, steps::Steps};

/// Run the criterion benches.
///
/// Everything after `--` goes to criterion: a filter, `--save-baseline NAME`, `--baseline NAME`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[arg(last = true)]
    criterion: Vec<String>,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let mut steps = Steps::default();
    steps.cmd(
        "bench",
        &Cmd::cargo("bench -p benches --benches --").args(&args.criterion),
    );
    steps.finish()
}

/// Runs each bench once, unoptimised, to see that it still works; times mean nothing here.
pub(crate) fn check(steps: &mut Steps) {
    steps.cmd(
        "benches still run",
        &Cmd::cargo("test -p benches --benches"),
    );
}

//! `cargo xtask sim`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args as ClapArgs;

use crate::{shell::Cmd, steps::Steps};

/// Simulate LANs of virtual routers on virtual time, for as long as asked, or replay one.
///
/// Builds `sim` of the crate testkit in release. Without options it simulates one router-year, with
/// `--seed` alone it prints the transcript of that seed. A seed that breaks an invariant is shrunk to a
/// small scenario, which is left in `target/sim` and can be replayed. `docs/testing.md` has the invariants.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Until all virtual routers together have run for so many years
    #[arg(long)]
    years: Option<u64>,
    /// The first seed; without `--years` the only one, whose transcript is printed
    #[arg(long)]
    seed: Option<u64>,
    /// How many routers a LAN has: a number, or two with `-` between, from 2 to 7
    #[arg(long)]
    routers: Option<String>,
    /// Run a scenario again, or explain the transcript of a driver
    #[arg(long, value_name = "FILE", conflicts_with_all = ["years", "seed", "routers"])]
    replay: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut cmd = Cmd::cargo("run --release -q -p testkit --bin sim --");
    if let Some(file) = &args.replay {
        let file = file
            .canonicalize()
            .with_context(|| format!("no file {}", file.display()))?;
        cmd = cmd.arg("--replay").arg(file);
    }
    for (option, value) in [("--years", args.years), ("--seed", args.seed)] {
        if let Some(value) = value {
            cmd = cmd.args([option.to_owned(), value.to_string()]);
        }
    }
    if let Some(routers) = &args.routers {
        cmd = cmd.arg("--routers").arg(routers);
    }
    let mut steps = Steps::default();
    steps.cmd("sim", &cmd);
    Ok(steps.finish())
}

//! `cargo xtask lab`.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use crate::{
    needs::{self, Consent},
    privilege::Privilege,
    shell::Cmd,
    steps::Steps,
    workspace::Workspace,
};

/// What is measured on a kernel with IPVS, which is booted where this one has none.
const ON_IPVS: [&str; 2] = ["check-cost", "ipvs-speed"];

/// Measure in the lab: outages as a client sees them, many routers, hostile packets, and the kernel's table and checks.
///
/// Builds `lab` and `director` in release and runs `lab` with the words that follow, for example
/// `cargo xtask lab failover`; `cargo xtask lab -- --help` lists what it can do.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    consent: Consent,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    lab: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::load()?;
    let on_ipvs = args.lab.iter().any(|word| ON_IPVS.contains(&word.as_str()));
    if on_ipvs {
        needs::ensure(&[&needs::LAB[..], &needs::IPVS].concat(), args.consent)?;
    } else {
        needs::ensure(&needs::LAB, args.consent)?;
    }
    let privilege = Privilege::obtain("the lab (network namespaces, raw sockets)")?;
    let mut steps = Steps::default();
    steps.cmd(
        "build",
        &Cmd::cargo("build --release -p locum-lab -p director"),
    );
    let lab = Cmd::new(workspace.release("lab")).args(&args.lab);
    steps.cmd("lab", &privilege.wrap(lab));
    Ok(steps.finish())
}

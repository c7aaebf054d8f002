//! `cargo xtask demo`.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use crate::{
    needs::{self, Consent},
    privilege::Privilege,
    shell::Cmd,
    steps::Steps,
    workspace::Workspace,
};

/// Show a load-balanced site whose parts die and come back, in a throw-away lab on this machine.
///
/// Builds `director` in release and runs `director demo`. What it stands on is installed if it is missing
/// (asks first): a kernel with IPVS that runs as a process, and for `-- --pair` keepalived, to run the same failures
/// beside it. Everything after `--` goes to `director demo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    consent: Consent,
    #[arg(last = true)]
    demo: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    if args.demo.iter().any(|argument| argument == "--pair") {
        if let Err(error) = needs::ensure(&needs::LAB, args.consent) {
            steps.not_run("comparison with keepalived", &format!("{error:#}"));
        }
    } else {
        needs::ensure(&needs::DEMO, args.consent)?;
    }
    let privilege = Privilege::obtain("the demo (network namespaces, raw sockets)")?;
    steps.cmd("build", &Cmd::cargo("build --release -p director"));
    let director = Cmd::new(workspace.release("director"))
        .arg("demo")
        .args(&args.demo);
    steps.cmd("demo", &privilege.wrap(director));
    Ok(steps.finish())
}

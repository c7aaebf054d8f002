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
/// Builds `director` in release and runs `director demo`, in a kernel with IPVS that it boots as a process where this
/// one has none: user-mode-linux and kmod are installed if they are missing (asks first). With `-- --pair` it shows how
/// an address fails over instead, beside keepalived, which is installed likewise. Everything after `--` goes to
/// `director demo`.
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
    if args.demo.iter().any(|word| word == "--pair") {
        if let Err(error) = needs::ensure(&needs::LAB, args.consent) {
            steps.not_run("comparison with keepalived", &format!("{error:#}"));
        }
    } else {
        needs::ensure(&needs::SITE, args.consent)?;
    }
    let privilege = Privilege::obtain("the demo (network namespaces, raw sockets)")?;
    steps.cmd("build", &Cmd::cargo("build --release -p director"));
    let director = Cmd::new(workspace.release("director"))
        .arg("demo")
        .args(&args.demo);
    steps.cmd("demo", &privilege.wrap(director));
    Ok(steps.finish())
}

//! `cargo xtask test`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args as ClapArgs;

use crate::{
    needs::{self, Consent},
    privilege::Privilege,
    servers,
    shell::Cmd,
    steps::Steps,
    tally::Tally,
};

/// Run every test and every example in the documentation.
///
/// Installs what is missing of iproute2, keepalived, user-mode-linux, kmod and ipvsadm, and unpacks in
/// the target directory FRR and the servers that health checks are tested against (asks before each), then runs
/// `cargo test` over the workspace with all features. Lab tests run as root in network namespaces of their own;
/// those of IPVS boot a kernel that has it, where this one has not.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    consent: Consent,
    /// Run only tests whose name contains this
    filter: Option<String>,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let mut steps = Steps::default();
    step(&mut steps, args.consent, args.filter.as_deref());
    steps.finish()
}

/// The one way tests are run, here and in CI.
pub(crate) fn step(steps: &mut Steps, consent: Consent, filter: Option<&str>) {
    steps.step("test", || {
        needs::ensure(&[&needs::LAB[..], &needs::IPVS].concat(), consent)?;
        servers::ensure(consent)?;
        let privilege = Privilege::obtain("the lab (network namespaces, raw sockets)")?;
        // One test at a time: those of the lab measure milliseconds, and two cores are all CI has.
        let mut cmd = Cmd::cargo("test --workspace --all-features --no-fail-fast")
            .args(filter)
            .env("RUST_TEST_THREADS", "1");
        if let Some((key, value)) = privilege.runner(&Cmd::new("rustc").arg("-vV").ask()?) {
            cmd = cmd.env(key, value);
        }
        let mut tally = Tally::default();
        let result = cmd.run_seeing(|line| tally.see(line));
        match result {
            Ok(()) if tally.is_empty() => bail!("no test has such a name"),
            Ok(()) => Ok(tally.to_string()),
            Err(error) => bail!("{error}; {tally}"),
        }
    });
}

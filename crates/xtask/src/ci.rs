//! `cargo xtask ci`.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use crate::{
    bench, fuzz, install, needs::Consent, shell::Cmd, steps::Steps, supply, test, toolchain,
    workspace::Workspace,
};

/// Run all that CI runs: format, lints, tests, documentation, purity, supply, packages, the Debian
/// package installed and started, benches, fuzz targets.
///
/// The tests are those of `cargo xtask test`, run by the same code. A failure does not stop the
/// steps after it; the summary names each, and what could not be run and why.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    consent: Consent,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    steps.cmd("format", &Cmd::cargo("fmt --all -- --check"));
    let clippy = |features: &str| {
        Cmd::cargo("clippy --workspace --all-targets")
            .words(features)
            .words("-- -D warnings")
    };
    steps.cmd("lints, all features", &clippy("--all-features"));
    steps.cmd(
        "lints, no default features",
        &clippy("--no-default-features"),
    );
    test::step(&mut steps, args.consent, None);
    // With the program that the tests have built.
    install::check(&mut steps, &workspace, args.consent);
    let doc = Cmd::cargo("doc --workspace --no-deps --all-features --document-private-items");
    steps.cmd("documentation", &doc.env("RUSTDOCFLAGS", "-D warnings"));
    toolchain::purity(&mut steps, args.consent);
    toolchain::oldest_rust(&mut steps, &workspace, args.consent);
    supply::deny(&mut steps, &workspace, args.consent);
    supply::package(&mut steps, &workspace);
    bench::check(&mut steps);
    fuzz::check(&mut steps, &workspace, args.consent);
    Ok(steps.finish())
}

//! `cargo xtask dist`: what is given to people who do not build it themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args as ClapArgs;

use crate::{
    cargo_tool, install,
    needs::{self, Consent},
    shell::Cmd,
    steps::Steps,
    workspace::Workspace,
};

/// Make the Debian package of director, with its unit, manual pages and completions.
///
/// Builds `director` in release. The package is left in `target/debian`, the pages and completions in
/// `target/release/dist`. Builds cargo-deb in the target directory if it is missing (asks first).
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    consent: Consent,
    /// As CI does: make it of the tests' build instead, install it in a clean Debian, start it and remove it
    #[arg(long)]
    check: bool,
}

/// How the program in the package was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    const fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    const fn options(self) -> &'static str {
        match self {
            // Nobody keeps it: no time is spent on making it small.
            Self::Dev => "--profile dev --fast",
            Self::Release => "--profile release",
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    if args.check {
        install::check(&mut steps, &workspace, args.consent);
        return Ok(steps.finish());
    }
    steps.cmd("build", &Cmd::cargo("build --release -p director"));
    steps.step("Debian package", || {
        let package = package(&workspace, Profile::Release, args.consent)?;
        Ok(package.display().to_string())
    });
    Ok(steps.finish())
}

/// Makes the package from the `director` that was built last.
pub(crate) fn package(
    workspace: &Workspace,
    profile: Profile,
    consent: Consent,
) -> anyhow::Result<PathBuf> {
    needs::ensure(&needs::PACKAGE, consent)?;
    let tool = cargo_tool::DEB.ensure(workspace, consent)?;
    let built = workspace.target_directory.join(profile.directory());
    pages(&built)?;
    let package = workspace.target_directory.join("debian/locum-director.deb");
    Cmd::new(tool)
        .words("--package director --locked --no-build --no-dbgsym --strip")
        .words(profile.options())
        .arg("--output")
        .arg(&package)
        .run()?;
    Ok(package)
}

/// Has the program write its manual and its completions beside itself.
fn pages(built: &Path) -> anyhow::Result<()> {
    let dist = built.join("dist");
    if dist.exists() {
        // A page of a command that is no more.
        fs::remove_dir_all(&dist).context("cannot remove the last pages")?;
    }
    let manual = dist.join("man");
    fs::create_dir_all(&manual)?;
    let director = Cmd::new(built.join("director"));
    director.clone().arg("man").arg(&manual).run()?;
    // cargo-deb does so only with what was not built. Without a time: the same pages are the same file.
    Cmd::new("gzip").arg("-9nr").arg(&manual).run()?;
    for shell in ["bash", "zsh", "fish"] {
        let script = director.clone().args(["completions", shell]).ask()?;
        fs::write(dist.join(format!("director.{shell}")), script + "\n")?;
    }
    Ok(())
}

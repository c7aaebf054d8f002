//! What we take from others and what we would publish: cargo-deny and cargo package.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::{
    needs::Consent,
    shell::{Cmd, which},
    steps::Steps,
    workspace::Workspace,
};

const DENY: &str = "0.20.2";

/// Licences, bans and sources always; advisories if their database can be fetched.
pub(crate) fn deny(steps: &mut Steps, workspace: &Workspace, consent: Consent) {
    let mut tool = None;
    steps.step("cargo-deny", || {
        let path = ensure_deny(workspace, consent)?;
        tool = Some(path.clone());
        Cmd::new(path)
            .words("--all-features check --hide-inclusion-graph licenses bans sources")
            .run()?;
        Ok("licences, bans, sources".to_owned())
    });
    let Some(tool) = tool else { return };
    // Without the database nothing is known, which is not the same as nothing being wrong.
    match Cmd::new(tool.clone())
        .words("fetch db")
        .behind("timeout 60")
        .run()
    {
        Ok(()) => steps.cmd(
            "advisories",
            &Cmd::new(tool).words("--all-features check --disable-fetch advisories"),
        ),
        Err(error) => {
            steps.not_run(
                "advisories",
                &format!("cannot fetch the RustSec database: {error:#}"),
            );
        }
    }
}

/// The one on the PATH, or our own in the target directory: nothing outside it is changed.
fn ensure_deny(workspace: &Workspace, consent: Consent) -> anyhow::Result<PathBuf> {
    if let Some(path) = which("cargo-deny") {
        return Ok(path);
    }
    let tools = workspace.target_directory.join("tools");
    let path = tools.join("bin/cargo-deny");
    if !path.is_file() {
        // Unoptimised: it compiles in a third of the time and runs for a second.
        let install = Cmd::cargo("install --locked --debug --root")
            .arg(&tools)
            .arg(format!("cargo-deny@{DENY}"));
        let allowed = consent.ask(&format!("Missing: cargo-deny. Build it with `{install}`?"))?;
        allowed
            .then_some(())
            .context("cargo-deny is not installed")?;
        install.run()?;
    }
    Ok(path)
}

/// Every publishable crate makes a package that builds from nothing but itself and published crates.
pub(crate) fn package(steps: &mut Steps, workspace: &Workspace) {
    steps.step("package", || {
        // Cargo unpacks our own packages once for each place and version: a second run in the same
        // place would build the code of the first.
        let place = workspace.target_directory.join("package-XXXXXXXX");
        let place = Cmd::new("mktemp").arg("-d").arg(place).ask()?;
        let excluded = workspace.unpublished().flat_map(|name| ["--exclude", name]);
        let cmd = Cmd::cargo("package --workspace --allow-dirty").args(excluded);
        let packaged = cmd.env("CARGO_TARGET_DIR", &place).run();
        std::fs::remove_dir_all(&place)
            .context("cannot remove the packages made for this check")?;
        packaged.map(|()| String::new())
    });
}

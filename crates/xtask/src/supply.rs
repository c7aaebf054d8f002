//! What we take from others and what we would publish: cargo-deny and cargo package.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};

use crate::{cargo_tool, needs::Consent, shell::Cmd, steps::Steps, workspace::Workspace};

/// Licences, bans and sources always; advisories if their database can be fetched.
pub(crate) fn deny(steps: &mut Steps, workspace: &Workspace, consent: Consent) {
    let mut tool = None;
    steps.step("cargo-deny", || {
        let path = cargo_tool::DENY.ensure(workspace, consent)?;
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

/// What every package must bring, for it stands alone on crates.io.
const COMPANIONS: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Every publishable crate makes a package, complete and of the one version. That each builds is known from the tests.
pub(crate) fn package(steps: &mut Steps, workspace: &Workspace) {
    steps.step("package", || {
        // In a place of its own, where nothing is from an earlier run.
        let place = workspace.target_directory.join("package-XXXXXXXX");
        let place = PathBuf::from(Cmd::new("mktemp").arg("-d").arg(place).ask()?);
        let excluded = workspace.unpublished().flat_map(|name| ["--exclude", name]);
        let packaged = Cmd::cargo("package --workspace --allow-dirty --no-verify")
            .args(excluded)
            .env("CARGO_TARGET_DIR", &place)
            .run()
            .and_then(|()| complete(workspace, &place.join("package")));
        std::fs::remove_dir_all(&place)
            .context("cannot remove the packages made for this check")?;
        packaged
    });
}

fn complete(workspace: &Workspace, packages: &Path) -> anyhow::Result<String> {
    let mut versions = BTreeSet::new();
    let mut count = 0_usize;
    for package in workspace.published() {
        let stem = format!("{}-{}", package.name, package.version);
        let list = Cmd::new("tar")
            .arg("-tzf")
            .arg(packages.join(format!("{stem}.crate")))
            .ask()?;
        if let Some(missing) = missing(&stem, &list) {
            bail!("the package {stem} has no {missing}");
        }
        versions.insert(&package.version);
        count += 1;
    }
    ensure!(versions.len() == 1, "more than one version: {versions:?}");
    Ok(format!("{count} packages"))
}

/// What is not among the files of a package.
fn missing(stem: &str, list: &str) -> Option<&'static str> {
    let has = |name: &str| list.lines().any(|line| line == format!("{stem}/{name}"));
    COMPANIONS.into_iter().find(|name| !has(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_its_licence_is_not_complete() {
        let list = "a-1/Cargo.toml\na-1/LICENSE-APACHE\na-1/LICENSE-MIT\na-1/README.md\n";
        assert_eq!(missing("a-1", list), None);
        assert_eq!(
            missing("a-1", &list.replace("a-1/LICENSE-MIT\n", "")),
            Some("LICENSE-MIT")
        );
    }
}

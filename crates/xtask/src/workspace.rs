//! What cargo knows about this workspace.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::shell::Cmd;

/// The directory of the root `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// The part of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    /// Where it may be published; `None` is everywhere, an empty list nowhere.
    publish: Option<Vec<String>>,
    pub(crate) rust_version: Option<String>,
}

impl Workspace {
    pub(crate) fn load() -> anyhow::Result<Self> {
        let json = Cmd::cargo("metadata --format-version 1 --no-deps").ask()?;
        serde_json::from_str(&json).context("cannot read what cargo metadata printed")
    }

    /// Where a release build leaves `binary`.
    pub(crate) fn release(&self, binary: &str) -> PathBuf {
        self.target_directory.join("release").join(binary)
    }

    pub(crate) fn unpublished(&self) -> impl Iterator<Item = &str> {
        let packages = self.packages.iter().filter(|package| !package.published());
        packages.map(|package| package.name.as_str())
    }

    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.published())
    }
}

impl Package {
    fn published(&self) -> bool {
        !self.publish.as_ref().is_some_and(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_knows_what_is_never_published() {
        let workspace = Workspace::load().unwrap();
        let unpublished: Vec<_> = workspace.unpublished().collect();
        assert!(unpublished.contains(&"xtask"), "{unpublished:?}");
        assert!(!unpublished.contains(&"locum-vrrp"), "{unpublished:?}");
        assert!(root().join("Cargo.toml").is_file());
    }
}

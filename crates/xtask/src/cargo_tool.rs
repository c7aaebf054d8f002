//! Cargo's own additions: found, or built into the target directory. Nothing outside it is changed.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::{
    needs::Consent,
    shell::{Cmd, which},
    workspace::Workspace,
};

/// A program for `cargo install`, at the version that is known to work here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
    options: &'static str,
}

pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    options: "",
};

pub(crate) const DEB: CargoTool = CargoTool {
    name: "cargo-deb",
    version: "3.8.0",
    // Without liblzma, which it would compile; it calls `xz` then.
    options: "--no-default-features",
};

impl CargoTool {
    /// The one on the PATH, or our own.
    ///
    /// # Errors
    /// If there is none, and it must not or cannot be built.
    pub(crate) fn ensure(self, workspace: &Workspace, consent: Consent) -> anyhow::Result<PathBuf> {
        let Self { name, version, .. } = self;
        if let Some(path) = which(name) {
            return Ok(path);
        }
        let tools = workspace.target_directory.join("tools");
        let path = tools.join("bin").join(name);
        if !path.is_file() {
            // Unoptimised: it compiles in a third of the time and runs for a second.
            let install = Cmd::cargo("install --locked --debug --root")
                .arg(&tools)
                .words(self.options)
                .arg(format!("{name}@{version}"));
            let allowed = consent.ask(&format!("Missing: {name}. Build it with `{install}`?"))?;
            allowed
                .then_some(())
                .with_context(|| format!("{name} is not installed"))?;
            install.run()?;
        }
        Ok(path)
    }
}

//! The purity and oldest-Rust checks, and the toolchain parts they need.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{
    needs::{self, Consent},
    shell::{Cmd, which},
    steps::Steps,
    workspace::{self, Workspace},
};

const WASM: &str = "wasm32-unknown-unknown";

/// What must build where there is no operating system.
const PURE: [&str; 3] = [
    "check -p locum-vrrp-wire --all-features",
    "check -p locum-vrrp-election --all-features",
    "check -p locum-vip --no-default-features",
];

/// Where Debian's `rustc-web` and `rust-web-src` put a compiler and the source of its standard library.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";

/// Where the standard library for [`WASM`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Std {
    /// The toolchain's own target.
    Installed,
    /// Built on the spot by Debian's compiler from Debian's source.
    Built,
}

/// The pure crates build for WebAssembly: no socket, no clock, no kernel.
pub(crate) fn purity(steps: &mut Steps, consent: Consent) {
    steps.step("purity", || {
        let std = wasm_std(consent)?;
        for line in PURE {
            check_for_wasm(line, std).run()?;
        }
        Ok(format!("{} crates build for {WASM}", PURE.len()))
    });
}

fn check_for_wasm(line: &str, std: Std) -> Cmd {
    let check = Cmd::cargo(line).args(["--target", WASM]);
    match std {
        Std::Installed => check,
        Std::Built => check
            .words("-Zbuild-std=core,alloc,std,panic_abort --target-dir target/wasm")
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1"),
    }
}

fn wasm_std(consent: Consent) -> anyhow::Result<Std> {
    let library = Cmd::new("rustc")
        .words("--print target-libdir --target")
        .arg(WASM)
        .ask()?;
    if Path::new(&library).is_dir() {
        return Ok(Std::Installed);
    }
    let add = Cmd::new("rustup").words("target add").arg(WASM);
    let Err(error) = rustup(add, consent) else {
        return Ok(Std::Installed);
    };
    println!("{error:#}; building the standard library with Debian's compiler instead");
    if !Path::new(DEBIAN_SOURCE).is_dir() {
        needs::install_packages(&["rustc-web", "rust-web-src"], consent)
            .with_context(|| format!("no standard library for {WASM}"))?;
    }
    Ok(Std::Built)
}

/// `rustup` with an end: without a network it would wait for long.
fn rustup(cmd: Cmd, consent: Consent) -> anyhow::Result<()> {
    if which("rustup").is_none() {
        bail!("there is no rustup here; by hand: {cmd}");
    }
    if !consent.ask(&format!("Missing in the Rust toolchain. Run `{cmd}`?"))? {
        bail!("not installed; by hand: {cmd}");
    }
    cmd.behind("timeout 300").run()
}

/// The oldest Rust is stated once, and the libraries build with it.
pub(crate) fn oldest_rust(steps: &mut Steps, workspace: &Workspace, consent: Consent) {
    let mut version = None;
    steps.step("rust-version is stated once", || {
        let stated = stated_once(workspace)?;
        version = Some(stated.clone());
        Ok(stated)
    });
    let Some(version) = version else { return };
    let name = format!("build with Rust {version}");
    if let Err(error) = ensure_toolchain(&version, consent) {
        steps.not_run(&name, &format!("{error:#}"));
        return;
    }
    let check = Cmd::cargo("check --workspace --lib --all-features");
    steps.cmd(&name, &check.behind(&format!("rustup run {version}")));
}

fn ensure_toolchain(version: &str, consent: Consent) -> anyhow::Result<()> {
    let installed = Cmd::new("rustup")
        .args(["run", version, "rustc", "-V"])
        .ask();
    if installed.is_ok() {
        return Ok(());
    }
    rustup(
        Cmd::new("rustup")
            .words("toolchain install --profile minimal")
            .arg(version),
        consent,
    )
}

fn stated_once(workspace: &Workspace) -> anyhow::Result<String> {
    let root = std::fs::read_to_string(workspace::root().join("Cargo.toml"))?;
    let version = stated(&root).context("the root Cargo.toml has no rust-version")?;
    for package in &workspace.packages {
        if stated(&std::fs::read_to_string(&package.manifest_path)?).is_some() {
            bail!("{} states its own rust-version", package.name);
        }
        if package.rust_version.as_deref() != Some(version) {
            bail!("{} lacks `rust-version.workspace = true`", package.name);
        }
    }
    Ok(version.to_owned())
}

/// The value of a line `rust-version = "…"`.
fn stated(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| {
        let value = line
            .strip_prefix("rust-version")?
            .trim_start()
            .strip_prefix('=')?;
        Some(value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_standard_library_is_debians_from_end_to_end() {
        let line = check_for_wasm("check -p x", Std::Built).to_string();
        assert!(line.contains("RUSTC=/usr/bin/rustc"), "{line}");
        assert!(line.contains("-Zbuild-std="), "{line}");
        let line = check_for_wasm("check -p x", Std::Installed).to_string();
        assert!(!line.contains("RUSTC"), "{line}");
    }

    #[test]
    fn an_inherited_rust_version_is_not_a_statement() {
        assert_eq!(stated("[package]\nrust-version.workspace = true\n"), None);
        assert_eq!(
            stated("name = \"x\"\nrust-version = \"1.88\"\n"),
            Some("1.88")
        );
    }

    #[test]
    fn this_workspace_states_its_rust_version_once() {
        stated_once(&Workspace::load().unwrap()).unwrap();
    }
}

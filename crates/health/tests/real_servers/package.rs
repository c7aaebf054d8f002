//! Where the servers are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `cargo xtask test` unpacks Debian packages: installing them would start their servers.
fn unpacked() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    scratch.parent().unwrap().join("servers")
}

/// `program`, unpacked or installed.
///
/// # Panics
///
/// If it is neither.
pub(crate) fn path(program: &str, package: &str) -> PathBuf {
    let directories = ["usr/sbin", "usr/bin"].map(|directory| unpacked().join(directory));
    let installed = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    directories
        .iter()
        .chain(&installed)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "there is no {program} here, of the Debian package {package}: `cargo xtask test` brings it to {}",
                unpacked().display()
            )
        })
}

/// A command that runs it, with the libraries that were unpacked beside it.
pub(crate) fn command(program: &str, package: &str) -> Command {
    let mut command = Command::new(path(program, package));
    let libraries: Vec<PathBuf> = ["lib", "usr/lib"]
        .iter()
        .filter_map(|directory| unpacked().join(directory).read_dir().ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        // Debian's triplets, such as x86_64-linux-gnu.
        .filter(|path| path.to_string_lossy().contains("-linux-"))
        .collect();
    if !libraries.is_empty() {
        command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    }
    command
}

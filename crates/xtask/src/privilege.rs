//! Root, or the way to it.

use anyhow::bail;

use crate::shell::{Cmd, which};

/// How a command becomes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    Root,
    Sudo,
}

impl Privilege {
    /// Finds out who we are, and asks for the password now rather than in the middle of the tests.
    ///
    /// # Errors
    /// If we are not root and there is no `sudo`.
    pub(crate) fn obtain(why: &str) -> anyhow::Result<Self> {
        if Cmd::new("id").arg("-u").ask()? == "0" {
            return Ok(Self::Root);
        }
        if which("sudo").is_none() {
            bail!("{why} needs root, and there is no sudo here: run the same command as root");
        }
        println!("{why} needs root: using sudo");
        Cmd::new("sudo").arg("-v").run()?;
        Ok(Self::Sudo)
    }

    /// The command as root, with our environment.
    pub(crate) fn wrap(self, cmd: Cmd) -> Cmd {
        match self {
            Self::Root => cmd,
            Self::Sudo => cmd.behind("sudo -E"),
        }
    }

    /// The environment variable that makes cargo run test binaries as root; `None` as root.
    pub(crate) fn runner(self, rustc_version: &str) -> Option<(String, &'static str)> {
        match self {
            Self::Root => None,
            Self::Sudo => Some((runner_variable(host(rustc_version)?), "sudo -E")),
        }
    }
}

/// The host triple in what `rustc -vV` prints.
fn host(rustc_version: &str) -> Option<&str> {
    rustc_version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
}

fn runner_variable(triple: &str) -> String {
    format!(
        "CARGO_TARGET_{}_RUNNER",
        triple.to_uppercase().replace(['-', '.'], "_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "rustc 1.95.0 (59807616e 2026-04-14)\nhost: aarch64-unknown-linux-gnu\n";

    #[test]
    fn without_root_cargo_runs_tests_through_sudo() {
        assert_eq!(
            Privilege::Sudo.runner(VERSION),
            Some((
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER".to_owned(),
                "sudo -E"
            ))
        );
        assert_eq!(Privilege::Root.runner(VERSION), None);
    }

    #[test]
    fn root_needs_no_prefix() {
        let cmd = Cmd::new("lab").arg("failover");
        assert_eq!(
            Privilege::Root.wrap(cmd.clone()).to_string(),
            "lab failover"
        );
        assert_eq!(
            Privilege::Sudo.wrap(cmd).to_string(),
            "sudo -E lab failover"
        );
    }
}

//! Where FRR's programs are, and how they are called.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::LabError;

/// Where Debian has the programs.
const PROGRAMS: &str = "usr/lib/frr";
/// What zebra listens on, in the directory of an [`Frr`](super::Frr).
pub(super) const ZEBRA_SOCKET: &str = "zserv.api";

/// FRR's programs, with the libraries they need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    root: PathBuf,
}

impl Programs {
    /// Those of Debian's package `frr`, unpacked with what it depends on below `unpacked`, or else installed. Installing
    /// it starts routers, now and whenever the machine boots.
    ///
    /// # Errors
    ///
    /// [`LabError::NotInstalled`].
    pub fn find(unpacked: &Path) -> Result<Self, LabError> {
        let roots = [unpacked, Path::new("/")];
        let root = roots
            .into_iter()
            .find(|root| root.join(PROGRAMS).join("vrrpd").is_file());
        let missing = LabError::NotInstalled {
            program: "vrrpd",
            package: "frr",
        };
        Ok(Self {
            root: root.ok_or(missing)?.to_owned(),
        })
    }

    /// Runs one in the foreground, its configuration, sockets and pid file in `directory`.
    pub(super) fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.root.join(PROGRAMS).join(program));
        // As root, since there need not be a user `frr`; without a TCP port.
        command.args("-u root -g root -P 0 --log stdout --log-level debug".split(' '));
        command.arg("--vty_socket").arg(directory);
        command.arg("-z").arg(directory.join(ZEBRA_SOCKET));
        command
            .arg("-f")
            .arg(directory.join(format!("{program}.conf")));
        command
            .arg("-i")
            .arg(directory.join(format!("{program}.pid")));
        if let Some(libraries) = self.libraries() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// The directories of the libraries that were unpacked; the installed ones are found anyway.
    fn libraries(&self) -> Option<OsString> {
        if self.root == Path::new("/") {
            return None;
        }
        let mut directories = Vec::new();
        for directory in ["lib", "usr/lib"] {
            for entry in fs::read_dir(self.root.join(directory))
                .into_iter()
                .flatten()
            {
                let path = entry.ok()?.path();
                // Debian's triplets, such as x86_64-linux-gnu.
                if path.to_string_lossy().contains("-linux-") {
                    directories.push(path.join("frr"));
                    directories.push(path);
                }
            }
        }
        env::join_paths(directories).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, Programs};

    #[test]
    fn unpacked_ones_are_called_with_their_libraries() {
        let root = tempfile::tempdir().unwrap();
        let libraries = root.path().join("usr/lib/x86_64-linux-gnu");
        std::fs::create_dir_all(&libraries).unwrap();
        let programs = root.path().join("usr/lib/frr");
        std::fs::create_dir_all(&programs).unwrap();
        std::fs::write(programs.join("vrrpd"), "").unwrap();

        let found = Programs::find(root.path()).unwrap();
        let command = found.command("vrrpd", Path::new("/run/x"));
        assert_eq!(command.get_program(), programs.join("vrrpd"));
        let shown: Vec<_> = command
            .get_args()
            .map(|each| each.to_str().unwrap())
            .collect();
        let expected = "-u root -g root -P 0 --log stdout --log-level debug --vty_socket /run/x \
                        -z /run/x/zserv.api -f /run/x/vrrpd.conf -i /run/x/vrrpd.pid";
        assert_eq!(shown.join(" "), expected);
        let paths = format!("{0}/frr:{0}", libraries.display());
        let set: Vec<_> = command
            .get_envs()
            .map(|(_, value)| value.unwrap())
            .collect();
        assert_eq!(set, [paths.as_str()]);
    }
}

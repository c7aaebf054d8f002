//! The programs that must be there, and where they come from.

use std::env;
use std::path::PathBuf;

use super::KernelError;

/// A program and the Debian package that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
}

/// What boots a kernel.
pub(super) const BOOT: [Program; 2] = [
    Program {
        name: "linux.uml",
        package: "user-mode-linux",
    },
    Program {
        name: "modprobe",
        package: "kmod",
    },
];

/// Where programs are that only root runs, too.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn require(programs: &[Program]) -> Result<(), KernelError> {
    let missing: Vec<Program> = programs
        .iter()
        .copied()
        .filter(|program| find(program.name).is_none())
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(KernelError::Missing { missing })
    }
}

/// The program `name`, also where only root looks.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let ours = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&ours)
        .chain(env::split_paths(PATH))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// What to do about `missing`.
pub(super) fn cure(missing: &[Program]) -> String {
    let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let mut text = format!("not installed: {}", names.join(", "));
    if missing.iter().any(|program| BOOT.contains(program)) {
        text.push_str("; this kernel has no IPVS, or not for us, and they boot one that has");
    }
    text.push_str("\nInstall with: apt-get install --no-install-recommends ");
    text.push_str(&packages.join(" "));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_its_cure() {
        let shell = Program {
            name: "sh",
            package: "dash",
        };
        let nothing = Program {
            name: "locum-no-such-program",
            package: "nothing",
        };
        require(&[shell]).unwrap();
        let error = require(&[shell, nothing]).unwrap_err().to_string();
        assert_eq!(
            error,
            "not installed: locum-no-such-program\n\
             Install with: apt-get install --no-install-recommends nothing"
        );
        assert!(cure(&BOOT).contains("no IPVS") && cure(&BOOT).ends_with("user-mode-linux kmod"));
    }
}

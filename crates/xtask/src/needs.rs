//! Debian packages that a verb needs: found missing, explained, asked for, installed.

use std::{
    io::{IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::bail;
use clap::Args;

use crate::{
    privilege::Privilege,
    shell::{Cmd, which},
};

/// May we install without asking?
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Consent {
    /// Install what is missing without asking (also if the environment variable CI is set)
    #[arg(long, short)]
    yes: bool,
}

impl Consent {
    fn given(self) -> bool {
        self.yes || in_ci()
    }

    /// Lets the person decide; nothing but a clear yes is one.
    pub(crate) fn ask(self, question: &str) -> anyhow::Result<bool> {
        if self.given() {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            println!("{question} There is nobody to ask here: run again with --yes.");
            return Ok(false);
        }
        print!("{question} [y/N] ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(is_yes(&answer))
    }
}

pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// A program and the Debian package it is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

impl Need {
    pub(crate) fn print(&self) {
        println!("  {:<18} {}", self.package, self.why);
    }
}

const IPROUTE2: Need = Need {
    program: "ip",
    package: "iproute2",
    why: "sets up and shows hosts of the lab",
};

const UML: Need = Need {
    program: "linux.uml",
    package: "user-mode-linux",
    why: "a Linux with IPVS that runs as a process",
};

const KMOD: Need = Need {
    program: "modprobe",
    package: "kmod",
    why: "loads its modules",
};

/// What the lab runs beside our own code.
pub(crate) const LAB: [Need; 2] = [
    IPROUTE2,
    Need {
        program: "keepalived",
        package: "keepalived",
        why: "the peer that director is tested and measured against",
    },
];

/// What the tests of IPVS need, which boot a kernel that has it where this one has not.
pub(crate) const IPVS: [Need; 3] = [
    UML,
    KMOD,
    Need {
        program: "ipvsadm",
        package: "ipvsadm",
        why: "what our table is compared with",
    },
];

/// What libFuzzer is compiled with.
pub(crate) const CXX: Need = Need {
    program: "c++",
    package: "g++",
    why: "compiles libFuzzer",
};

/// What the Debian package is made with.
pub(crate) const PACKAGE: [Need; 1] = [Need {
    program: "dpkg-shlibdeps",
    package: "dpkg-dev",
    why: "finds out which libraries a program needs",
}];

/// What knows whether a unit is right.
pub(crate) const UNIT: [Need; 1] = [Need {
    program: "systemd-analyze",
    package: "systemd",
    why: "checks the unit of director",
}];

/// What a clean Debian is made and entered with.
pub(crate) const CLEAN_ROOT: [Need; 2] = [
    Need {
        program: "mmdebstrap",
        package: "mmdebstrap",
        why: "makes the clean Debian that the package is installed in",
    },
    IPROUTE2,
];

/// What shows a whole site.
pub(crate) const SITE: [Need; 3] = [IPROUTE2, UML, KMOD];

/// Installing keepalived starts it if this file exists, and only then: its unit and its init script
/// both have that condition, and the package ships no such file.
const KEEPALIVED_CONF: &str = "/etc/keepalived/keepalived.conf";

/// Makes sure of `needs`; says nothing if all are there.
///
/// # Errors
/// If one is missing and cannot, or must not, be installed.
pub(crate) fn ensure(needs: &[Need], consent: Consent) -> anyhow::Result<()> {
    let missing: Vec<Need> = needs
        .iter()
        .copied()
        .filter(|need| which(need.program).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing on this machine:");
    missing.iter().for_each(Need::print);
    if which("apt-get").is_none() {
        bail!("only Debian and Ubuntu are known here (no apt-get): install these yourself");
    }
    let keepalived = missing.iter().any(|need| need.package == "keepalived");
    if keepalived {
        if Path::new(KEEPALIVED_CONF).exists() {
            bail!(
                "{KEEPALIVED_CONF} exists, so installing keepalived would start it: do it yourself"
            );
        }
        println!("keepalived stays off: its service does nothing without {KEEPALIVED_CONF}");
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    install_packages(&packages, consent)
}

/// Installs Debian packages, with consent.
///
/// # Errors
/// If that is refused or fails.
pub(crate) fn install_packages(packages: &[&str], consent: Consent) -> anyhow::Result<()> {
    let install = apt("install --yes --no-install-recommends").args(packages);
    if !consent.ask(&format!("Install {} with apt-get?", packages.join(" ")))? {
        bail!("not installed; by hand: {install}");
    }
    let privilege = Privilege::obtain("installing packages")?;
    // A third-party source that does not answer must not stop an install from Debian's.
    if let Err(error) = privilege.wrap(apt("update")).run() {
        println!("apt-get update: {error}; going on with the lists that are there");
    }
    privilege.wrap(install).run()
}

/// `apt-get` that asks nothing and waits for ever for nothing.
pub(crate) fn apt(verb: &str) -> Cmd {
    Cmd::new("env")
        .arg("DEBIAN_FRONTEND=noninteractive")
        .arg("apt-get")
        .words("-o DPkg::Lock::Timeout=120 -o Acquire::http::Timeout=30 -o Acquire::Retries=2")
        .words(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        assert!(!is_yes("\n") && !is_yes("n\n") && !is_yes("yesterday\n"));
    }

    #[test]
    fn what_is_there_is_not_asked_for() {
        let shell = Need {
            program: "sh",
            package: "dash",
            why: "always there",
        };
        ensure(&[shell], Consent { yes: false }).unwrap();
    }
}

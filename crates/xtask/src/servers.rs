//! Servers from Debian that the health checks are tested against, and FRR, whose vrrpd the pair is tested against.
//!
//! They are unpacked below the target directory, not installed: installing would start them, now and whenever the
//! machine boots.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{
    needs::{Consent, Need, apt},
    privilege::Privilege,
    shell::{Cmd, which},
    workspace::Workspace,
};

const SERVERS: [Need; 7] = [
    Need {
        program: "dnsmasq",
        package: "dnsmasq-base",
        why: "a server of DNS",
    },
    Need {
        program: "exim4",
        package: "exim4-daemon-light",
        why: "a server of SMTP",
    },
    Need {
        program: "inetutils-inetd",
        package: "inetutils-inetd",
        why: "starts the server of telnet",
    },
    Need {
        program: "nginx",
        package: "nginx-light",
        why: "a server of HTTP and HTTPS",
    },
    Need {
        program: "telnetd",
        package: "inetutils-telnetd",
        why: "a server of telnet",
    },
    Need {
        program: "vrrpd",
        package: "frr",
        why: "a router whose VRRP the pair is tested against",
    },
    Need {
        program: "vsftpd",
        package: "vsftpd",
        why: "a server of FTP",
    },
];

/// Makes sure that each is there; says nothing if all are.
///
/// # Errors
/// If one is missing and cannot, or must not, be fetched.
pub(crate) fn ensure(consent: Consent) -> anyhow::Result<()> {
    // Where the tests look: `crates/health/tests/real_servers/package.rs` and `locum_lab::frr::Programs`.
    let directory = Workspace::load()?.target_directory.join("servers");
    let there = |need: &Need| is_below(&directory, need) || is_below(Path::new("/"), need);
    let missing: Vec<_> = SERVERS.iter().filter(|need| !there(need)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing on this machine:");
    missing.iter().for_each(|need| need.print());
    if which("apt-get").is_none() {
        bail!("only Debian and Ubuntu are known here (no apt-get): install these yourself");
    }
    let question = format!(
        "Unpack them, and what they need, in {} (nothing is installed, nothing starts)?",
        directory.display()
    );
    if !consent.ask(&question)? {
        bail!("not unpacked");
    }
    // All of them: what is there may be of an older package, with other libraries.
    unpack(&directory)
}

/// Is its program where its package puts it, seen from `root`?
fn is_below(root: &Path, need: &Need) -> bool {
    ["usr/sbin", "usr/bin", "usr/lib/frr"]
        .iter()
        .any(|directory| root.join(directory).join(need.program).is_file())
}

/// Downloads and unpacks all in a directory beside, which then takes the place of `directory`.
fn unpack(directory: &Path) -> anyhow::Result<()> {
    let new = directory.with_extension("new");
    let archives = directory.with_extension("archives");
    for stale in [&new, &archives] {
        remove(stale)?;
    }
    fs::create_dir_all(archives.join("partial"))?;
    let download = download(&archives);
    if download.run().is_err() {
        // The lists may be old, or may never have been fetched.
        let privilege = Privilege::obtain("apt-get update")?;
        privilege.wrap(apt("update")).run()?;
        download.run()?;
    }
    for archive in packages(&archives)? {
        Cmd::new("dpkg-deb")
            .args([Path::new("--extract"), &archive, &new])
            .run()?;
    }
    remove(directory)?;
    fs::rename(&new, directory).context("cannot move what was unpacked")?;
    remove(&archives)
}

/// `apt-get` that only downloads, to `archives`, which takes neither root nor the lock of an installation.
fn download(archives: &Path) -> Cmd {
    let mut cache = std::ffi::OsString::from("Dir::Cache::archives=");
    cache.push(archives);
    apt("-o Debug::NoLocking=1 -o APT::Sandbox::User=root -o")
        .arg(cache)
        .words("install --download-only --yes --no-install-recommends")
        .args(SERVERS.iter().map(|need| need.package))
}

fn packages(archives: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            packages.push(path);
        }
    }
    packages.sort();
    Ok(packages)
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_installed() {
        let shown = download(Path::new("/t/servers.archives")).to_string();
        assert!(shown.contains("install --download-only --yes"), "{shown}");
        assert!(
            shown.contains("-o Dir::Cache::archives=/t/servers.archives install"),
            "{shown}"
        );
        assert!(
            shown.ends_with("nginx-light inetutils-telnetd frr vsftpd"),
            "{shown}"
        );
    }
}

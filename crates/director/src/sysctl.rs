//! Settings of the kernel, below `/proc/sys`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

const ROOT: &str = "/proc/sys";

/// Names a setting of the network by its path, such as `net/ipv4/conf/eth0.10/arp_ignore`: an interface's name may contain
/// dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Key(String);

/// Not a setting of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a path of a setting below net/")]
pub(crate) struct NotASetting;

impl Key {
    /// A setting known to be below `net/`.
    pub(crate) fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The setting `name` of an interface for IPv4; `all` and `default` are interfaces too.
    pub(crate) fn ipv4(interface: &str, name: &str) -> Self {
        Self(format!("net/ipv4/conf/{interface}/{name}"))
    }

    /// The same for IPv6.
    pub(crate) fn ipv6(interface: &str, name: &str) -> Self {
        Self(format!("net/ipv6/conf/{interface}/{name}"))
    }

    /// The setting `name` of IPVS.
    pub(crate) fn ipvs(name: &str) -> Self {
        Self(format!("net/ipv4/vs/{name}"))
    }

    /// What it is now, without the end of line.
    pub(crate) fn read(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.path())?.trim().to_owned())
    }

    /// Makes it `value`.
    pub(crate) fn write(&self, value: &str) -> io::Result<()> {
        fs::write(self.path(), value)
    }

    fn path(&self) -> PathBuf {
        Path::new(ROOT).join(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = NotASetting;

    fn try_from(path: String) -> Result<Self, NotASetting> {
        let mut parts = path.split('/');
        let below_net = parts.next() == Some("net");
        let harmless = parts.all(|part| !part.is_empty() && part != "." && part != "..");
        if below_net && harmless && path != "net" {
            Ok(Self(path))
        } else {
            Err(NotASetting)
        }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// As sysctl(8) writes it: dots and slashes change places.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let swapped = self.0.chars().map(|c| match c {
            '/' => '.',
            '.' => '/',
            other => other,
        });
        f.write_str(&swapped.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_an_interface_is_a_slash_for_sysctl() {
        let key = Key::ipv4("eth0.10", "arp_ignore");
        assert_eq!(key.to_string(), "net.ipv4.conf.eth0/10.arp_ignore");
        assert_eq!(
            key.path(),
            Path::new("/proc/sys/net/ipv4/conf/eth0.10/arp_ignore")
        );
    }

    #[test]
    fn nothing_outside_the_network_is_a_key() {
        for path in [
            "",
            "net",
            "kernel/core_pattern",
            "net/../kernel/core_pattern",
            "/net/a",
            "net//a",
        ] {
            assert_eq!(Key::try_from(path.to_owned()), Err(NotASetting), "{path}");
        }
        let key = Key::try_from("net/ipv4/ip_forward".to_owned()).unwrap();
        assert_eq!(key.to_string(), "net.ipv4.ip_forward");
    }
}

//! What this process has to be allowed to do.

use std::io;

use rustix::thread::{CapabilitySet, capabilities};
use thiserror::Error;

/// Why this process cannot run as a director.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The kernel did not say what the process may do.
    #[error("the capabilities of this process cannot be read")]
    Unreadable(#[source] io::Error),
    /// A capability is not there.
    #[error("this process lacks {}, needed for {}", names(.0), purposes(.0))]
    Missing(Vec<Needed>),
}

impl CapabilityError {
    /// What to do about it.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        "run it as root; or give the program its capabilities with\n  \
         setcap cap_net_admin,cap_net_raw+ep /usr/sbin/director\n\
         or its systemd unit with\n  \
         AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW"
    }
}

/// A capability that the director needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needed {
    /// What capabilities(7) calls it.
    pub name: &'static str,
    /// What for.
    pub purpose: &'static str,
}

const ADMIN: Needed = Needed {
    name: "CAP_NET_ADMIN",
    purpose: "adding and removing addresses",
};
const RAW: Needed = Needed {
    name: "CAP_NET_RAW",
    purpose: "advertisements and ARP",
};

/// Does this process have what it needs?
pub(crate) fn check() -> Result<(), CapabilityError> {
    let sets = capabilities(None).map_err(|error| CapabilityError::Unreadable(error.into()))?;
    let missing = missing(sets.effective);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(CapabilityError::Missing(missing))
    }
}

fn missing(effective: CapabilitySet) -> Vec<Needed> {
    [
        (CapabilitySet::NET_ADMIN, ADMIN),
        (CapabilitySet::NET_RAW, RAW),
    ]
    .into_iter()
    .filter(|&(capability, _)| !effective.contains(capability))
    .map(|(_, needed)| needed)
    .collect()
}

fn names(missing: &[Needed]) -> String {
    missing
        .iter()
        .map(|needed| needed.name)
        .collect::<Vec<_>>()
        .join(" and ")
}

fn purposes(missing: &[Needed]) -> String {
    missing
        .iter()
        .map(|needed| needed.purpose)
        .collect::<Vec<_>>()
        .join(", and for ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_purpose() {
        let all = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
        assert_eq!(missing(all), []);
        assert_eq!(missing(CapabilitySet::NET_ADMIN), [RAW]);
        let none = CapabilityError::Missing(missing(CapabilitySet::SYS_ADMIN));
        assert_eq!(
            none.to_string(),
            "this process lacks CAP_NET_ADMIN and CAP_NET_RAW, needed for adding and removing addresses, \
             and for advertisements and ARP"
        );
    }
}

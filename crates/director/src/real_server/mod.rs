//! What a real server needs so that packets to a virtual address are taken in, and nobody learns that it has it.

mod act;
mod kernel;
mod plan;
mod record;
mod step;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub(crate) use self::act::{ActError, Done, down, up};
pub(crate) use self::plan::{PlanError, Request};
pub(crate) use self::record::{Owner, Record};

/// How the director forwards packets to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Method {
    /// Unchanged, to its MAC address: the virtual address is on `lo`
    Direct,
    /// Inside another packet: the virtual address is on `tunl0` or `ip6tnl0`
    Tunnel,
}

impl Method {
    /// Where `address` goes unless something else is said.
    pub(crate) const fn interface(self, address: IpAddr) -> &'static str {
        match (self, address) {
            (Self::Direct, _) => "lo",
            (Self::Tunnel, IpAddr::V4(_)) => "tunl0",
            (Self::Tunnel, IpAddr::V6(_)) => "ip6tnl0",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Tunnel => "tunnel",
        })
    }
}

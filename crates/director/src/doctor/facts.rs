//! What is known of a machine that is to be a director: plain facts, gathered elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use locum_vip::wire::MacAddress;
use locum_vrrp::wire::Authentication;
use locum_vrrp::{Family, Priority, Version, Vrid};

use super::modules::Modules;
use crate::machine::Machine;

/// Everything that findings follow from.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) machine: Machine,
    /// The capabilities that this process should have and has not, in words; `Err` says why nobody knows.
    pub(crate) missing: Result<Option<String>, String>,
    pub(crate) ipvs: Ipvs,
    pub(crate) modules: Modules,
    /// What was seen on the network of each interface with a virtual router.
    pub(crate) segments: BTreeMap<String, Segment>,
    /// For how long it was listened there.
    pub(crate) listened: Duration,
}

/// What the kernel says of its IPVS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ipvs {
    /// It is for others.
    Denied,
    /// There is none.
    Missing,
    /// It answers.
    Ready { version: (u8, u8, u8) },
    /// Why nobody knows.
    Unknown(String),
}

/// What was seen on one network.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// The advertisements of others, each sender's first; `Err` says why none could be heard.
    pub(crate) heard: Result<Vec<Heard>, String>,
    /// Who says that a virtual address is its own; `Err` says why nobody could be asked.
    pub(crate) claims: Result<BTreeMap<IpAddr, BTreeSet<MacAddress>>, String>,
}

/// An advertisement of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) source: IpAddr,
    pub(crate) version: Version,
    pub(crate) vrid: Vrid,
    pub(crate) priority: Priority,
    pub(crate) authentication: Authentication,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

impl Heard {
    pub(super) const fn family(&self) -> Family {
        Family::of(self.source)
    }
}

//! What the driver has to know of an interface.

use std::collections::BTreeSet;
use std::net::IpAddr;

use locum_vip::LinkIndex;

use crate::config::{Family, RouterConfig};

/// An interface as it is now. Whoever watches the kernel's links tells it to
/// [`Node::set_link`](crate::Node::set_link) whenever something of it changed; repeating it is harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain input, built by watchers and tests"
)]
pub struct LinkFacts {
    /// The kernel's index; another one means that the interface was made anew.
    pub index: LinkIndex,
    /// Administratively up and with carrier.
    pub up: bool,
    /// Its usable addresses (no tentative ones), virtual ones included: a held one that is missing here is put
    /// back.
    pub addresses: Vec<IpAddr>,
    /// Those of them that no address driver put there, best first: advertisements are sent from one of these.
    pub sources: Vec<IpAddr>,
}

impl LinkFacts {
    /// What `router` sends from, given the addresses that are `moving` between hosts.
    pub(crate) fn source_for(
        &self,
        router: &RouterConfig,
        moving: &BTreeSet<IpAddr>,
    ) -> Option<IpAddr> {
        if let Some(source) = router.configured_source() {
            return self.addresses.contains(&source).then_some(source);
        }
        let family = router.family();
        // RFC 9568 §1.7: the primary address over IPv4, a link-local one over IPv6.
        let usable = |address: &IpAddr| match address {
            IpAddr::V4(_) => family == Family::Ipv4,
            IpAddr::V6(address) => family == Family::Ipv6 && address.is_unicast_link_local(),
        };
        let mut candidates = self.sources.iter().copied().filter(usable);
        if router.election().priority().is_owner() {
            return candidates.next();
        }
        candidates.find(|address| !moving.contains(address))
    }
}

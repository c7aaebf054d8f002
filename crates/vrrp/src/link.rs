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
        // RFC 9568 §1.7: the primary address over IPv4, a link-local one over IPv6. Unicast peers know us by an address
        // like theirs, and listen to no other.
        let link_local = router
            .peers()
            .iter()
            .all(|peer| is_link_local(peer.address));
        let usable = |address: &IpAddr| match address {
            IpAddr::V4(_) => family == Family::Ipv4,
            IpAddr::V6(_) => family == Family::Ipv6 && is_link_local(*address) == link_local,
        };
        let mut candidates = self.sources.iter().copied().filter(usable);
        if router.election().priority().is_owner() {
            return candidates.next();
        }
        candidates.find(|address| !moving.contains(address))
    }
}

const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use locum_vrrp_election::Config;
    use locum_vrrp_wire::{AdvertInterval, Priority, Vrid};

    use super::*;
    use crate::config::Peer;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_ipv6_router_sends_from_the_scope_that_its_peers_know_it_by() {
        let addresses: Vec<IpAddr> = ["2001:db8::10", "2001:db8::1", "fe80::1"].map(ip).to_vec();
        let facts = LinkFacts {
            index: LinkIndex::new(7).expect("not zero"),
            up: true,
            sources: addresses.clone(),
            addresses,
        };
        let moving = BTreeSet::from([ip("2001:db8::10")]);
        let router = || {
            let interval = AdvertInterval::v3(100).expect("an interval");
            let election = Config::new(interval, Priority::DEFAULT).expect("a priority");
            let vip = vec!["2001:db8::10/64".parse().expect("an address")];
            RouterConfig::new("eth0", Vrid::new(51).expect("a VRID"), vip, election).expect("valid")
        };
        let unicast = |peer| router().unicast(vec![Peer::new(ip(peer))]).expect("valid");
        for (router, source) in [
            (router(), "fe80::1"),
            (unicast("fe80::2"), "fe80::1"),
            (unicast("2001:db8::2"), "2001:db8::1"),
        ] {
            assert_eq!(facts.source_for(&router, &moving), Some(ip(source)));
        }
    }
}

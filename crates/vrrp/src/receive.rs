//! From a received packet to what the election needs to know of it, or to a counter.

use std::net::IpAddr;

use locum_vrrp_election::Advert;
use locum_vrrp_wire::{Addresses, AdvertisementView, Authentication, IP_TTL, PseudoHeader};

use crate::config::{Peer, RouterConfig};
use crate::status::DropCounters;
use crate::transport::Datagram;

/// Decides what one router hears.
#[derive(Debug)]
pub(crate) struct Receiver {
    peers: Vec<Peer>,
    /// In the order sent, and sorted.
    addresses: (Vec<IpAddr>, Vec<IpAddr>),
}

/// An advertisement for the election.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) advert: Advert,
    /// Its addresses are not the router's: the configurations differ.
    pub(crate) other_addresses: bool,
}

impl Receiver {
    pub(crate) fn new(config: &RouterConfig) -> Self {
        let sent: Vec<IpAddr> = config.advertisement().addresses().collect();
        let mut sorted = sent.clone();
        sorted.sort_unstable();
        Self {
            peers: config.peers().to_vec(),
            addresses: (sent, sorted),
        }
    }

    /// What `datagram`, which bears the router's VRID, says; `None` if that is nothing, which is counted.
    pub(crate) fn hear(
        &self,
        config: &RouterConfig,
        datagram: &Datagram<'_>,
        dropped: &mut DropCounters,
    ) -> Option<Heard> {
        if datagram.destination.is_multicast() != self.peers.is_empty() {
            dropped.delivery += 1;
            return None;
        }
        // RFC 9568 §7.1: 255 in multicast. What comes from further away over unicast is the configuration's choice.
        let ttl = if self.peers.is_empty() {
            IP_TTL..=IP_TTL
        } else {
            let Some(peer) = self
                .peers
                .iter()
                .find(|peer| peer.address == datagram.source)
            else {
                dropped.unknown_peer += 1;
                return None;
            };
            peer.min_ttl..=peer.max_ttl
        };
        if !ttl.contains(&datagram.ttl) {
            dropped.ttl += 1;
            return None;
        }
        let pseudo_header = PseudoHeader::new(datagram.source, datagram.destination).ok()?;
        let view = match AdvertisementView::new_checked(datagram.message, &pseudo_header) {
            Ok(view) => view,
            Err(error) => {
                dropped.count(&error);
                return None;
            }
        };
        if view.version() != config.version() {
            dropped.version += 1;
            return None;
        }
        // RFC 2338 §7.1: the type and then the data of the authentication.
        match (
            config.advertisement().authentication(),
            view.authentication(),
        ) {
            (ours, theirs) if ours == theirs => {}
            (Authentication::Password(_), Authentication::Password(_)) => {
                dropped.password += 1;
                return None;
            }
            _ => {
                dropped.authentication += 1;
                return None;
            }
        }
        // RFC 9568 §7.1: other addresses are logged, and do not make the advertisement invalid.
        let other_addresses = !self.are_ours(view.addresses());
        dropped.other_addresses += u64::from(other_addresses);
        let advert = Advert {
            source: datagram.source,
            priority: view.priority(),
            interval: view.interval(),
        };
        Some(Heard {
            advert,
            other_addresses,
        })
    }

    fn are_ours(&self, theirs: Addresses<'_>) -> bool {
        let (sent, sorted) = &self.addresses;
        theirs.len() == sent.len()
            && (theirs.clone().eq(sent.iter().copied())
                || theirs
                    .into_iter()
                    .all(|address| sorted.binary_search(&address).is_ok()))
    }
}

//! From a received packet to what the election needs to know of it, or to a counter.

use std::net::IpAddr;
use std::time::Duration;

use locum_vrrp_election::Advert;
use locum_vrrp_wire::{
    Addresses, AdvertisementView, AhError, AhKey, AhPacket, AhReplay, Authentication, HmacHeard,
    HmacKeys, HmacVerifier, IP_TTL, PseudoHeader,
};

use crate::config::{Peer, RouterConfig};
use crate::security::Security;
use crate::status::DropCounters;
use crate::transport::{Carrier, Datagram};

/// Decides what one router hears.
#[derive(Debug)]
pub(crate) struct Receiver {
    peers: Vec<Peer>,
    /// In the order sent, and sorted.
    addresses: (Vec<IpAddr>, Vec<IpAddr>),
    trust: Trust,
    last: Option<Last>,
}

/// The longest message that is remembered: 14 addresses of IPv4, 3 of IPv6.
const REMEMBERED: usize = 64;

/// The last message that was heard: a Master says the same again and again, and what is the same byte for byte need not be
/// looked into again. Not with an authentication header or trailer, of which none may come twice.
#[derive(Debug)]
struct Last {
    message: [u8; REMEMBERED],
    len: usize,
    destination: IpAddr,
    ttl: u8,
    advert: Advert,
}

impl Last {
    fn is(&self, datagram: &Datagram<'_>) -> bool {
        self.advert.source == datagram.source
            && self.destination == datagram.destination
            && self.ttl == datagram.ttl
            && datagram.carrier == Carrier::Plain
            && self.message.get(..self.len) == Some(datagram.message)
    }

    fn new(datagram: &Datagram<'_>, advert: Advert) -> Option<Self> {
        let len = datagram.message.len();
        let mut message = [0; REMEMBERED];
        message.get_mut(..len)?.copy_from_slice(datagram.message);
        Some(Self {
            message,
            len,
            destination: datagram.destination,
            ttl: datagram.ttl,
            advert,
        })
    }
}

/// What makes it believe an advertisement, beside the password in it.
#[derive(Debug)]
enum Trust {
    Header {
        key: AhKey,
        replay: AhReplay,
    },
    Message,
    Trailer {
        keys: HmacKeys,
        verifier: HmacVerifier,
    },
}

impl Trust {
    fn new(security: &Security) -> Self {
        match security {
            Security::Header { key, keeper } => Self::Header {
                key: key.clone(),
                replay: AhReplay::new(keeper.last()),
            },
            Security::Message => Self::Message,
            Security::Trailer {
                keys,
                mode,
                freshness,
            } => Self::Trailer {
                keys: keys.clone(),
                verifier: HmacVerifier::new(*mode, *freshness),
            },
        }
    }
}

/// An advertisement for the election.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) advert: Advert,
    /// The number of its authentication header.
    pub(crate) sequence: Option<u32>,
    /// Its addresses are not the router's: the configurations differ.
    pub(crate) other_addresses: bool,
}

/// Why it cannot be said whom a packet is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoVrid {
    /// It has an authentication header around something else than VRRP.
    Foreign,
    /// It is too short, or not what it says.
    Malformed,
}

/// The VRID in `datagram`, which nobody has checked yet.
pub(crate) fn vrid(datagram: &Datagram<'_>) -> Result<u8, NoVrid> {
    let message = match datagram.carrier {
        Carrier::Header => match AhPacket::new_checked(datagram.message) {
            Ok(packet) => packet.message(),
            Err(AhError::NextHeader(_)) => return Err(NoVrid::Foreign),
            Err(_) => return Err(NoVrid::Malformed),
        },
        Carrier::Plain => datagram.message,
    };
    // RFC 9568 §5.2: the VRID is the second byte.
    message.get(1).copied().ok_or(NoVrid::Malformed)
}

impl Receiver {
    pub(crate) fn new(config: &RouterConfig) -> Self {
        let sent: Vec<IpAddr> = config.advertisement().addresses().collect();
        let mut sorted = sent.clone();
        sorted.sort_unstable();
        Self {
            peers: config.peers().to_vec(),
            addresses: (sent, sorted),
            trust: Trust::new(config.security()),
            last: None,
        }
    }

    /// Goes on with another configuration. What was heard so far still cannot be played again.
    pub(crate) fn reconfigure(&mut self, old: &RouterConfig, new: &RouterConfig) {
        let other = Self::new(new);
        let trust = std::mem::replace(&mut self.trust, Trust::Message);
        let trust = match (trust, other.trust) {
            (Trust::Header { replay, .. }, Trust::Header { key, .. }) => {
                Trust::Header { key, replay }
            }
            (Trust::Trailer { verifier, .. }, Trust::Trailer { keys, .. })
                if old.security().is_checked_as(new.security()) =>
            {
                Trust::Trailer { keys, verifier }
            }
            (_, trust) => trust,
        };
        *self = Self { trust, ..other };
    }

    /// What `datagram`, which bears the router's VRID, says at `wall` since 1970; `None` if that is nothing, which is
    /// counted.
    pub(crate) fn hear(
        &mut self,
        wall: impl FnOnce() -> Duration,
        config: &RouterConfig,
        datagram: &Datagram<'_>,
        dropped: &mut DropCounters,
    ) -> Option<Heard> {
        if let Some(last) = self.last.as_ref().filter(|last| last.is(datagram)) {
            return Some(Heard {
                advert: last.advert,
                sequence: None,
                other_addresses: false,
            });
        }
        let heard = self.look_into(wall, config, datagram, dropped)?;
        if matches!(self.trust, Trust::Message) && !heard.other_addresses {
            self.last = Last::new(datagram, heard.advert);
        }
        Some(heard)
    }

    fn look_into(
        &mut self,
        wall: impl FnOnce() -> Duration,
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
        let (message, sequence) = self.unwrap(datagram, dropped)?;
        let view = match AdvertisementView::new_checked(message, &pseudo_header) {
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
        if let Trust::Trailer { keys, verifier } = &mut self.trust {
            match verifier.verify(wall(), keys, datagram.source, &view, message) {
                Ok(HmacHeard::Signed) => {}
                Ok(HmacHeard::Unsigned) => dropped.unsigned += 1,
                Err(refused) => {
                    dropped.count_refused(refused);
                    return None;
                }
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
            sequence,
            other_addresses,
        })
    }

    /// The message, and the number of its authentication header, if it comes in what the router expects.
    fn unwrap<'d>(
        &mut self,
        datagram: &Datagram<'d>,
        dropped: &mut DropCounters,
    ) -> Option<(&'d [u8], Option<u32>)> {
        match (&mut self.trust, datagram.carrier) {
            (Trust::Message | Trust::Trailer { .. }, Carrier::Plain) => {
                Some((datagram.message, None))
            }
            (Trust::Header { key, replay }, Carrier::Header) => {
                let packet = AhPacket::new_checked(datagram.message).ok()?;
                if packet.verify(key).is_err() {
                    dropped.ah_icv += 1;
                    return None;
                }
                let sequence = packet.sequence();
                if replay.accept(datagram.source, sequence).is_err() {
                    dropped.ah_replayed += 1;
                    return None;
                }
                Some((packet.message(), Some(sequence)))
            }
            (Trust::Header { .. }, Carrier::Plain)
            | (Trust::Message | Trust::Trailer { .. }, Carrier::Header) => {
                dropped.authentication += 1;
                None
            }
        }
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

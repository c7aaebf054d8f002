//! What one virtual router needs beside its election: where it lives, whom it talks to and what it holds.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use locum_vrrp_election::Config;
use locum_vrrp_wire::{
    Advertisement, AdvertisementError, AhKey, Authentication, ChecksumForm, HmacFreshness,
    HmacKeys, HmacMode, Password, Version, Vrid,
};
use thiserror::Error;

use crate::beat::Beat;
use crate::error::Identity;
use crate::security::{InMemory, Security, SequenceKeeper};

/// Longest name of an interface, in bytes (`IFNAMSIZ` less its zero).
const INTERFACE_NAME_MAX: usize = 15;

/// Address family of a virtual router: all of its addresses are of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third family must break every match on it"
)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of `address`.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// Another router of a group that talks unicast, and how far away it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "three plain settings, built by callers"
)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The least TTL or hop limit its packets may arrive with; 255 for one on the same link.
    pub min_ttl: u8,
    /// The most.
    pub max_ttl: u8,
}

impl Peer {
    /// A peer at any distance.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            min_ttl: 0,
            max_ttl: u8::MAX,
        }
    }
}

/// One virtual router, valid by construction.
///
/// ```
/// use locum_vrrp::election::Config;
/// use locum_vrrp::{AdvertInterval, Peer, Priority, RouterConfig, Vrid};
///
/// let election = Config::new(AdvertInterval::v3(100)?, Priority::new(150))?;
/// let config = RouterConfig::new("eth0", Vrid::new(51)?, vec!["192.0.2.10/24".parse()?], election)?
///     .unicast(vec![Peer::new("192.0.2.3".parse()?)])?;
/// assert_eq!(config.peers().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RouterConfig {
    interface: Box<str>,
    addresses: Vec<IpNet>,
    election: Config,
    /// What is sent, but for its priority.
    advertisement: Advertisement,
    peers: Vec<Peer>,
    source: Option<IpAddr>,
    security: Security,
    beat: Option<Arc<dyn Beat>>,
}

/// What no virtual router can be configured with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouterConfigError {
    /// None, too many or of two families; IPv6 in v2; authentication in v3; a checksum form that is fixed.
    #[error(transparent)]
    Advertisement(#[from] AdvertisementError),
    /// The same address twice.
    #[error("{0} is given twice")]
    DuplicateAddress(IpAddr),
    /// The same peer twice.
    #[error("peer {0} is given twice")]
    DuplicatePeer(IpAddr),
    /// A peer or the source is not of the addresses' family.
    #[error("{address} is not an {family} address, as the virtual ones are")]
    Family {
        /// Which.
        address: IpAddr,
        /// What it should be.
        family: Family,
    },
    /// The interface has a name that no interface can have.
    #[error("{0:?} is not the name of an interface")]
    Interface(Box<str>),
    /// Unicast with nobody to talk to.
    #[error("unicast needs at least one peer")]
    NoPeers,
    /// An address that a host cannot have.
    #[error("{0} is not the address of a host")]
    NotAHost(IpAddr),
    /// Only version 3 has authentication trailers.
    #[error("an authentication trailer needs version 3")]
    TrailerVersion,
    /// The TTL bounds of a peer leave nothing.
    #[error("peer {0} has a min_ttl above its max_ttl")]
    TtlBounds(IpAddr),
    /// A Backup has not got the virtual addresses, and can send from none of them.
    #[error("{0} is a virtual address: only its owner, of priority 255, can send from it")]
    VirtualSource(IpAddr),
}

impl RouterConfig {
    /// The virtual router `vrid` with `addresses` on `interface`, talking multicast. Its version is that of
    /// `election`'s interval; the number of addresses is told to the election here.
    ///
    /// # Errors
    ///
    /// [`RouterConfigError`] if the name cannot be an interface's, or if there is no address, more than 255, one
    /// twice, of two families, or of IPv6 in v2.
    pub fn new(
        interface: impl Into<String>,
        vrid: Vrid,
        addresses: Vec<IpNet>,
        election: Config,
    ) -> Result<Self, RouterConfigError> {
        let interface = interface.into().into_boxed_str();
        if !is_interface_name(&interface) {
            return Err(RouterConfigError::Interface(interface));
        }
        let mut seen = BTreeSet::new();
        for address in addresses.iter().map(IpNet::addr) {
            check_host(address)?;
            if !seen.insert(address) {
                return Err(RouterConfigError::DuplicateAddress(address));
            }
        }
        let advertisement = Advertisement::new(
            vrid,
            election.priority(),
            election.interval(),
            addresses.iter().map(IpNet::addr),
        )?;
        let count = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
        let election = election.addresses(count);
        Ok(Self {
            interface,
            addresses,
            election,
            advertisement,
            peers: Vec::new(),
            source: None,
            security: Security::Message,
            beat: None,
        })
    }

    /// Talks to `peers` only, by unicast, and listens to nobody else.
    ///
    /// # Errors
    ///
    /// [`RouterConfigError`] if there are none, one twice, one of another family or one with empty TTL bounds.
    pub fn unicast(mut self, peers: Vec<Peer>) -> Result<Self, RouterConfigError> {
        if peers.is_empty() {
            return Err(RouterConfigError::NoPeers);
        }
        let mut seen = BTreeSet::new();
        for peer in &peers {
            self.check_family(peer.address)?;
            if peer.min_ttl > peer.max_ttl {
                return Err(RouterConfigError::TtlBounds(peer.address));
            }
            if !seen.insert(peer.address) {
                return Err(RouterConfigError::DuplicatePeer(peer.address));
            }
        }
        self.peers = peers;
        Ok(self)
    }

    /// Advertises from `address`, and is in fault while the interface has not got it. Otherwise the interface's
    /// first address that is not virtual is taken: its primary IPv4 address, or its link-local IPv6 one (with unicast
    /// peers that have others, its first other one).
    ///
    /// # Errors
    ///
    /// [`RouterConfigError::Family`], [`RouterConfigError::NotAHost`] or [`RouterConfigError::VirtualSource`].
    pub fn source(mut self, address: IpAddr) -> Result<Self, RouterConfigError> {
        self.check_family(address)?;
        let is_virtual = self.addresses.iter().any(|one| one.addr() == address);
        if is_virtual && !self.election.priority().is_owner() {
            return Err(RouterConfigError::VirtualSource(address));
        }
        self.source = Some(address);
        Ok(self)
    }

    /// Sends `password` and listens only to those who send it too (v2).
    ///
    /// # Errors
    ///
    /// [`AdvertisementError::V3Authentication`] in v3.
    pub fn password(mut self, password: Password) -> Result<Self, RouterConfigError> {
        self.advertisement = self
            .advertisement
            .with_authentication(Authentication::Password(password))?;
        self.security = Security::Message;
        Ok(self)
    }

    /// Sends IP Authentication Headers made with `key`, as keepalived does, and listens only to those who send them
    /// too (v2, which is IPv4). It replaces a password.
    ///
    /// Its sequence numbers go on as long as `keeper` keeps them; with `None`, for the life of this configuration and
    /// its clones. After a restart without a keeper, others do not hear it until it has heard them.
    ///
    /// # Errors
    ///
    /// [`AdvertisementError::V3Authentication`] in v3.
    pub fn header(
        mut self,
        key: AhKey,
        keeper: Option<Arc<dyn SequenceKeeper>>,
    ) -> Result<Self, RouterConfigError> {
        self.advertisement = self
            .advertisement
            .with_authentication(Authentication::Header)?;
        let keeper = keeper.unwrap_or_else(|| Arc::new(InMemory::default()));
        self.security = Security::Header { key, keeper };
        Ok(self)
    }

    /// The same with `keeper` for the sequence numbers, if it authenticates by [`header`](Self::header).
    #[must_use]
    pub fn keep_sequence(mut self, keeper: Arc<dyn SequenceKeeper>) -> Self {
        if let Security::Header {
            keeper: current, ..
        } = &mut self.security
        {
            *current = keeper;
        }
        self
    }

    /// Does it authenticate by [`header`](Self::header)?
    #[must_use]
    pub const fn has_header(&self) -> bool {
        self.security.is_header()
    }

    /// Signs its advertisements with the active one of `keys`, as keepalived 2.4.2 does with `auth_hmac`, and listens to
    /// those whom `mode` and `freshness` let through (v3).
    ///
    /// # Errors
    ///
    /// [`RouterConfigError::TrailerVersion`] in v2.
    pub fn trailer(
        mut self,
        keys: HmacKeys,
        mode: HmacMode,
        freshness: HmacFreshness,
    ) -> Result<Self, RouterConfigError> {
        if self.version() == Version::V2 {
            return Err(RouterConfigError::TrailerVersion);
        }
        self.security = Security::Trailer {
            keys,
            mode,
            freshness,
        };
        Ok(self)
    }

    /// Is `other` the same, whoever keeps sequence numbers or is told of beats?
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.interface == other.interface
            && self.addresses == other.addresses
            && self.election == other.election
            && self.advertisement == other.advertisement
            && self.peers == other.peers
            && self.source == other.source
            && self.security.is_like(&other.security)
    }

    /// What of it makes `other` another router, if anything does: see
    /// [`Router::reconfigure`](crate::Router::reconfigure).
    #[must_use]
    pub fn identity_changes(&self, other: &Self) -> Option<Identity> {
        let owner = |config: &Self| config.election().priority().is_owner();
        let differences = [
            (self.interface() != other.interface(), Identity::Interface),
            (self.vrid() != other.vrid(), Identity::Vrid),
            (self.family() != other.family(), Identity::Family),
            (self.version() != other.version(), Identity::Version),
            (
                self.peers().is_empty() != other.peers().is_empty(),
                Identity::Delivery,
            ),
            (owner(self) != owner(other), Identity::Ownership),
        ];
        differences
            .into_iter()
            .find_map(|(differs, identity)| differs.then_some(identity))
    }

    /// Tells `beat` of each advertisement as Master, and when it is Master no more.
    #[must_use]
    pub fn beat(mut self, beat: Arc<dyn Beat>) -> Self {
        self.beat = Some(beat);
        self
    }

    pub(crate) const fn heard_by(&self) -> Option<&Arc<dyn Beat>> {
        self.beat.as_ref()
    }

    pub(crate) const fn security(&self) -> &Security {
        &self.security
    }

    /// Sends the checksum in this form (v3 over IPv4; as [`ChecksumForm::PseudoHeader`] if nothing is said). Both
    /// are accepted.
    ///
    /// # Errors
    ///
    /// [`AdvertisementError::FixedChecksumForm`] where there is no choice.
    pub fn checksum(mut self, form: ChecksumForm) -> Result<Self, RouterConfigError> {
        self.advertisement = self.advertisement.with_checksum_form(form)?;
        Ok(self)
    }

    fn check_family(&self, address: IpAddr) -> Result<(), RouterConfigError> {
        check_host(address)?;
        let family = self.family();
        if Family::of(address) == family {
            Ok(())
        } else {
            Err(RouterConfigError::Family { address, family })
        }
    }

    /// The interface it lives on.
    #[must_use]
    pub const fn interface(&self) -> &str {
        &self.interface
    }

    /// Its identifier.
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.advertisement.vrid()
    }

    /// The version it speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.advertisement.version()
    }

    /// The family of its addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        self.addresses
            .first()
            .map_or(Family::Ipv4, |first| Family::of(first.addr()))
    }

    /// The addresses it holds while it is Master, at least one.
    #[must_use]
    pub fn addresses(&self) -> &[IpNet] {
        &self.addresses
    }

    /// The parameters of its election.
    #[must_use]
    pub const fn election(&self) -> &Config {
        &self.election
    }

    /// Whom it talks to; empty if it talks multicast.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The address it has to send from, if one was given.
    #[must_use]
    pub const fn configured_source(&self) -> Option<IpAddr> {
        self.source
    }

    /// What it sends, with the priority it starts with.
    #[must_use]
    pub const fn advertisement(&self) -> &Advertisement {
        &self.advertisement
    }
}

fn check_host(address: IpAddr) -> Result<(), RouterConfigError> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(RouterConfigError::NotAHost(address));
    }
    Ok(())
}

fn is_interface_name(name: &str) -> bool {
    let forbidden =
        |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte == 0;
    !name.is_empty()
        && name.len() <= INTERFACE_NAME_MAX
        && name != "."
        && name != ".."
        && !name.bytes().any(forbidden)
}

#[cfg(test)]
mod tests;

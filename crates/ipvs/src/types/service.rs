//! Virtual services: what identifies one, and how it distributes connections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use thiserror::Error;

use super::entry::{Netmask, ServiceSettings};
use super::number::{OutOfRange, Seconds, in_range};
use super::scheduler::{PersistenceEngine, Scheduler};

pub(crate) const PERSISTENT: u32 = 0x01;
pub(crate) const ONE_PACKET: u32 = 0x04;

/// A transport protocol that IPVS distributes.
///
/// The kernel does not check the number, so there is no way to make one up; one that another program put in the
/// kernel's table is kept as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(u16);

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// SCTP.
    pub const SCTP: Self = Self(132);

    pub(crate) const fn from_kernel(number: u16) -> Self {
        Self(number)
    }

    /// Its number in the IP header.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::SCTP => f.write_str("sctp"),
            Self(number) => write!(f, "protocol {number}"),
        }
    }
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "IPVS has these two")]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl From<IpAddr> for IpFamily {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What identifies a virtual service. It cannot change during a service's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two kinds that IPVS has")]
pub enum ServiceKey {
    /// Packets to an address.
    Endpoint {
        /// The transport protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The virtual port; 0: every port that has no service of its own.
        port: u16,
    },
    /// Packets that the firewall has marked.
    #[doc(alias = "fwmark")]
    FirewallMark {
        /// The IP version of the packets.
        family: IpFamily,
        /// The mark.
        mark: NonZeroU32,
    },
}

impl ServiceKey {
    /// TCP to `address`.
    #[must_use]
    pub const fn tcp(address: SocketAddr) -> Self {
        Self::endpoint(Protocol::TCP, address)
    }

    /// UDP to `address`.
    #[must_use]
    pub const fn udp(address: SocketAddr) -> Self {
        Self::endpoint(Protocol::UDP, address)
    }

    /// `protocol` to `address`. An IPv6 scope plays no part in IPVS.
    #[must_use]
    pub const fn endpoint(protocol: Protocol, address: SocketAddr) -> Self {
        Self::Endpoint {
            protocol,
            address: address.ip(),
            port: address.port(),
        }
    }

    /// The IP version of the clients' packets.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        match *self {
            Self::Endpoint { address, .. } => address.into(),
            Self::FirewallMark { family, .. } => family,
        }
    }

    /// The virtual port; 0 for a service of every port or of a firewall mark.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match *self {
            Self::Endpoint { port, .. } => port,
            Self::FirewallMark { .. } => 0,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Endpoint {
                protocol,
                address,
                port,
            } => write!(f, "{protocol} {}", SocketAddr::new(address, port)),
            Self::FirewallMark { family, mark } => write!(f, "firewall mark {mark} ({family:?})"),
        }
    }
}

/// Why a service cannot be what it is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidService {
    /// One-packet scheduling acts on UDP only; the kernel would ignore it in silence.
    #[error("one-packet scheduling is for UDP")]
    OnePacketNeedsUdp,
    /// A granularity outside the address.
    #[error("the granularity does not fit the address")]
    Granularity(#[source] OutOfRange),
}

/// Clients come back to the destination they had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persistence {
    /// For so long after a client's last connection.
    pub timeout: Seconds,
    /// Clients that share so many leading bits of their address are taken for one.
    pub prefix: u8,
}

/// A virtual service as it should be. See [`ServiceEntry`](crate::ServiceEntry) for one as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    key: ServiceKey,
    scheduler: Scheduler,
    one_packet: bool,
    persistence: Option<Persistence>,
    /// Few have one, and a large site has thousands of services: no room is kept for it.
    engine: Option<Box<PersistenceEngine>>,
}

impl Service {
    /// A service that distributes each connection by itself.
    ///
    /// One of every port (`port` 0) is persistent, for 300 seconds unless [`Service::persistent`] says otherwise: the
    /// kernel accepts it without, but then distributes nothing.
    #[must_use]
    pub fn new(key: ServiceKey, scheduler: Scheduler) -> Self {
        let service = Self {
            key,
            scheduler,
            one_packet: false,
            persistence: None,
            engine: None,
        };
        match key {
            ServiceKey::Endpoint { port: 0, .. } => {
                service.persistent(Seconds::DEFAULT_PERSISTENCE)
            }
            ServiceKey::Endpoint { .. } | ServiceKey::FirewallMark { .. } => service,
        }
    }

    /// Each client comes back to its destination within `timeout` of its last connection.
    #[must_use]
    pub fn persistent(mut self, timeout: Seconds) -> Self {
        let prefix = self.address_bits();
        self.persistence = Some(Persistence { timeout, prefix });
        self
    }

    /// The same, but clients that share the first `prefix` bits of their address are taken for one client.
    ///
    /// # Errors
    ///
    /// When `prefix` is not 0 to 32 for IPv4, or 1 to 128 for IPv6.
    pub fn persistent_by_network(
        mut self,
        timeout: Seconds,
        prefix: u8,
    ) -> Result<Self, InvalidService> {
        let least = match self.key.family() {
            IpFamily::V4 => 0,
            IpFamily::V6 => 1,
        };
        in_range(
            "a prefix length",
            prefix.into(),
            least,
            self.address_bits().into(),
        )
        .map_err(InvalidService::Granularity)?;
        self.persistence = Some(Persistence { timeout, prefix });
        Ok(self)
    }

    /// Recognises clients by `engine`.
    #[must_use]
    pub fn persistence_engine(mut self, engine: PersistenceEngine) -> Self {
        self.engine = Some(Box::new(engine));
        self
    }

    /// Distributes every datagram by itself: there are no connections.
    ///
    /// # Errors
    ///
    /// When the service is one of TCP or SCTP.
    pub fn one_packet(mut self) -> Result<Self, InvalidService> {
        match self.key {
            ServiceKey::Endpoint { protocol, .. } if protocol != Protocol::UDP => {
                Err(InvalidService::OnePacketNeedsUdp)
            }
            ServiceKey::Endpoint { .. } | ServiceKey::FirewallMark { .. } => {
                self.one_packet = true;
                Ok(self)
            }
        }
    }

    /// What identifies it.
    #[must_use]
    pub const fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// How it distributes new connections.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Whether clients come back to the destination they had.
    #[must_use]
    pub const fn persistence(&self) -> Option<Persistence> {
        self.persistence
    }

    /// The settings as the kernel keeps them.
    #[must_use]
    pub fn settings(&self) -> ServiceSettings {
        let one_packet = if self.one_packet { ONE_PACKET } else { 0 };
        let persistent = if self.persistence.is_some() {
            PERSISTENT
        } else {
            0
        };
        let prefix = self
            .persistence
            .map_or_else(|| self.address_bits(), |p| p.prefix);
        ServiceSettings {
            scheduler: self.scheduler.name().to_owned(),
            flags: self.scheduler.flags() | one_packet | persistent,
            timeout: self.persistence.map_or(0, |p| p.timeout.get()),
            netmask: match self.key.family() {
                IpFamily::V4 => Netmask::V4(mask_v4(prefix)),
                IpFamily::V6 => Netmask::V6(prefix.into()),
            },
            engine: self.engine.as_ref().map(|engine| engine.name().to_owned()),
        }
    }

    fn address_bits(&self) -> u8 {
        match self.key.family() {
            IpFamily::V4 => 32,
            IpFamily::V6 => 128,
        }
    }
}

fn mask_v4(prefix: u8) -> Ipv4Addr {
    let host_bits = 32_u32.saturating_sub(prefix.into());
    u32::MAX.checked_shl(host_bits).unwrap_or(0).into()
}

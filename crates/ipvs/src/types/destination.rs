//! Destinations, as IPVS calls real servers, and how packets get to them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use super::entry::{DestinationSettings, ForwardMethod};
use super::number::{MAX_SIGNED, OutOfRange, Weight, in_range};
use super::service::ServiceKey;

/// What identifies a destination within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an address and a port")]
pub struct DestinationKey {
    /// The address of the real server.
    pub address: IpAddr,
    /// Its port; 0: that of the client's packet.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How packets get to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Forward {
    /// Sent unchanged to the real server's MAC address.
    #[doc(alias = "gatewaying")]
    Direct,
    /// Delivered on this machine.
    Local,
    /// Address and port are rewritten, on the way back too.
    #[doc(alias = "nat")]
    Masquerade,
    /// Sent unchanged inside another packet.
    Tunnel(Tunnel),
}

/// What a tunnelled packet travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tunnel {
    /// Generic routing encapsulation. Linux 5.3; an older kernel makes it IP in IP in silence.
    Gre(GreChecksum),
    /// Generic UDP encapsulation. Linux 5.2; an older kernel makes it IP in IP in silence.
    Gue {
        /// The UDP port of the real server.
        port: NonZeroU16,
        /// The checksum of the outer packet. Linux 5.3.
        checksum: GueChecksum,
    },
    /// IP in IP.
    Ipip,
}

/// The checksum of a GRE packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "there, or not")]
pub enum GreChecksum {
    /// None.
    #[default]
    Off,
    /// In the GRE header.
    On,
}

/// The checksum of a GUE packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum GueChecksum {
    /// None.
    #[default]
    Off,
    /// In the UDP header.
    On,
    /// Remote checksum offload.
    Remote,
}

/// Above how many connections a destination gets no more, and below how many it does again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thresholds {
    upper: u32,
    lower: u32,
}

impl Thresholds {
    /// No new connections from `upper` until there are fewer than `lower`; `lower` 0: three quarters of `upper`.
    ///
    /// # Errors
    ///
    /// When `upper` is 0 or above 2,147,483,647, or `lower` above `upper`.
    pub fn new(upper: u32, lower: u32) -> Result<Self, OutOfRange> {
        let upper = in_range("the upper threshold", upper.into(), 1, MAX_SIGNED)?;
        let lower = in_range("the lower threshold", lower.into(), 0, upper)?;
        Ok(Self { upper, lower })
    }
}

/// A destination as it should be. See [`DestinationEntry`](crate::DestinationEntry) for one as it is in the kernel.
///
/// Only masquerading can change a packet's port, so only there has a destination a port of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    address: IpAddr,
    port: u16,
    forward: Forward,
    weight: Weight,
    thresholds: Option<Thresholds>,
}

impl Destination {
    /// By direct routing: the real server has the virtual address too, and is on a network of this machine.
    #[must_use]
    pub const fn direct(address: IpAddr) -> Self {
        Self::with_port(address, 0, Forward::Direct)
    }

    /// On this machine.
    #[must_use]
    pub const fn local(address: IpAddr) -> Self {
        Self::with_port(address, 0, Forward::Local)
    }

    /// By network address translation; port 0 leaves the port as it is.
    #[must_use]
    pub const fn masquerade(address: SocketAddr) -> Self {
        Self::with_port(address.ip(), address.port(), Forward::Masquerade)
    }

    /// Through a tunnel.
    #[must_use]
    pub const fn tunnel(address: IpAddr, tunnel: Tunnel) -> Self {
        Self::with_port(address, 0, Forward::Tunnel(tunnel))
    }

    /// By `forward`. The port of `address` plays a part only where packets are masqueraded.
    #[must_use]
    pub const fn new(address: SocketAddr, forward: Forward) -> Self {
        match forward {
            Forward::Direct => Self::direct(address.ip()),
            Forward::Local => Self::local(address.ip()),
            Forward::Masquerade => Self::masquerade(address),
            Forward::Tunnel(tunnel) => Self::tunnel(address.ip(), tunnel),
        }
    }

    const fn with_port(address: IpAddr, port: u16, forward: Forward) -> Self {
        Self {
            address,
            port,
            forward,
            weight: Weight::ONE,
            thresholds: None,
        }
    }

    /// With this weight instead of 1.
    #[must_use]
    pub const fn weight(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }

    /// With these limits instead of none.
    #[must_use]
    pub const fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = Some(thresholds);
        self
    }

    /// The address of the real server.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How packets get there.
    #[must_use]
    pub const fn forward(&self) -> Forward {
        self.forward
    }

    /// What identifies it in `service`: unless masqueraded, it has the service's port.
    #[must_use]
    pub const fn key(&self, service: &ServiceKey) -> DestinationKey {
        let port = match self.forward {
            Forward::Masquerade => self.port,
            Forward::Direct | Forward::Local | Forward::Tunnel(_) => service.port(),
        };
        DestinationKey {
            address: self.address,
            port,
        }
    }

    /// The settings as the kernel keeps them.
    #[must_use]
    pub fn settings(&self) -> DestinationSettings {
        let (forward, tunnel) = match self.forward {
            Forward::Direct => (ForwardMethod::DIRECT, None),
            Forward::Local => (ForwardMethod::LOCAL, None),
            Forward::Masquerade => (ForwardMethod::MASQUERADE, None),
            Forward::Tunnel(tunnel) => (ForwardMethod::TUNNEL, Some(tunnel)),
        };
        let (tunnel_type, tunnel_port, tunnel_flags) = match tunnel {
            None | Some(Tunnel::Ipip) => (0, 0, 0),
            Some(Tunnel::Gue { port, checksum }) => (1, port.get(), checksum.flag()),
            Some(Tunnel::Gre(checksum)) => (2, 0, checksum.flag()),
        };
        DestinationSettings {
            forward,
            weight: self.weight.get(),
            upper_threshold: self.thresholds.map_or(0, |t| t.upper),
            lower_threshold: self.thresholds.map_or(0, |t| t.lower),
            tunnel_type,
            tunnel_port,
            tunnel_flags,
        }
    }
}

impl GreChecksum {
    const fn flag(self) -> u16 {
        match self {
            Self::Off => 0,
            Self::On => 1,
        }
    }
}

impl GueChecksum {
    const fn flag(self) -> u16 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::Remote => 2,
        }
    }
}

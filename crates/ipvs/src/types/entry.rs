//! What the kernel tells: plain numbers, so that what this crate does not know survives reading.

use std::fmt;
use std::net::Ipv4Addr;

use super::destination::{Destination, DestinationKey};
use super::service::ServiceKey;

/// The flags that the operator sets: all but `IP_VS_SVC_F_HASHED`, and what no kernel knows.
pub(crate) const SERVICE_FLAGS: u32 = 0x3d;

/// A service's settings as the kernel keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// The name of the scheduler.
    pub scheduler: String,
    /// `IP_VS_SVC_F_*`: 1 persistent, 4 one-packet, 8, 16 and 32 the scheduler's own.
    pub flags: u32,
    /// The persistence timeout in seconds.
    pub timeout: u32,
    /// The granularity of persistence.
    pub netmask: Netmask,
    /// The name of the persistence engine.
    pub engine: Option<String>,
}

/// The granularity of persistence, as the kernel keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as the two IP versions")]
pub enum Netmask {
    /// A mask, contiguous or not.
    V4(Ipv4Addr),
    /// A prefix length.
    V6(u32),
}

/// A service as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceEntry {
    /// What identifies it.
    pub key: ServiceKey,
    /// How it is set up.
    pub settings: ServiceSettings,
    /// What it has done.
    pub stats: Stats,
}

/// A forwarding method as the kernel keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardMethod(u32);

impl ForwardMethod {
    /// Network address translation.
    pub const MASQUERADE: Self = Self(0);
    /// Delivery on this machine.
    pub const LOCAL: Self = Self(1);
    /// A tunnel.
    pub const TUNNEL: Self = Self(2);
    /// Direct routing.
    pub const DIRECT: Self = Self(3);
    /// Past IPVS, to where the client's packet wanted to go.
    pub const BYPASS: Self = Self(4);

    pub(crate) const fn from_kernel(number: u32) -> Self {
        Self(number & 7)
    }

    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ForwardMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MASQUERADE => f.write_str("masquerade"),
            Self::LOCAL => f.write_str("local"),
            Self::TUNNEL => f.write_str("tunnel"),
            Self::DIRECT => f.write_str("direct"),
            Self::BYPASS => f.write_str("bypass"),
            Self(number) => write!(f, "method {number}"),
        }
    }
}

/// A destination's settings as the kernel keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationSettings {
    /// How packets get there.
    pub forward: ForwardMethod,
    /// The weight.
    pub weight: u32,
    /// No new connections from so many; 0: no limit.
    pub upper_threshold: u32,
    /// New connections again below so many; 0: three quarters of the upper one.
    pub lower_threshold: u32,
    /// 0 IP in IP, 1 GUE, 2 GRE.
    pub tunnel_type: u8,
    /// The UDP port of GUE.
    pub tunnel_port: u16,
    /// 1 checksum, 2 remote checksum.
    pub tunnel_flags: u16,
}

/// A destination as it is in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationEntry {
    /// What identifies it in its service.
    pub key: DestinationKey,
    /// How it is set up.
    pub settings: DestinationSettings,
    /// Connections in use now.
    pub active_connections: u32,
    /// Connections that end now, and all of UDP.
    pub inactive_connections: u32,
    /// Clients that come back here.
    pub persistent_connections: u32,
    /// What it has done.
    pub stats: Stats,
}

impl DestinationEntry {
    /// As it is right after it was added.
    pub(crate) fn idle(key: DestinationKey, destination: &Destination) -> Self {
        Self {
            key,
            settings: destination.settings(),
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            stats: Stats::default(),
        }
    }
}

/// Counters since the last zeroing, and rates of the last seconds.
///
/// The kernel sums them up every two seconds (not at all with sysctl `net.ipv4.vs.run_estimation` = 0). 64 bits wide; from a kernel before 4.1, packets and connections wrap at 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 where they do not pass this machine.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Connections per second.
    pub connections_per_second: u64,
    /// Packets per second from clients.
    pub packets_in_per_second: u64,
    /// Packets per second to clients.
    pub packets_out_per_second: u64,
    /// Bytes per second from clients.
    pub bytes_in_per_second: u64,
    /// Bytes per second to clients.
    pub bytes_out_per_second: u64,
}

/// What the kernel's IPVS is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its version: major, minor, patch.
    pub version: (u8, u8, u8),
    /// The number of buckets in the table of connections.
    pub connection_table_size: u32,
}

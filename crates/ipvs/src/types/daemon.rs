//! Daemons that copy connections to another director, and timeouts of connections.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use thiserror::Error;

use super::number::{InvalidName, Seconds};

/// Which side of connection synchronisation. One of each can run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two that IPVS has")]
pub enum Role {
    /// Receives connections.
    Backup,
    /// Sends connections.
    Master,
}

impl Role {
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Master => 1,
            Self::Backup => 2,
        }
    }

    pub(crate) const fn from_kernel(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Master),
            2 => Some(Self::Backup),
            _ => None,
        }
    }
}

/// The name of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The interface called `name`, which need not exist.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 15 bytes, or has a character that Linux does not allow.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        /// `IFNAMSIZ`, less the NUL.
        const MAX: usize = 15;
        let allowed = |byte: u8| byte > b' ' && byte != b'/' && byte != b':' && byte != 0x7f;
        if (1..=MAX).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName {
                what: "the name of an interface",
                max: MAX,
                allowed: "no space, '/' or ':'",
            })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connections are copied by multicast only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a multicast address")]
pub struct InvalidGroup(IpAddr);

/// A synchronisation daemon to be started. To change one, stop it and start it anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    pub(crate) role: Role,
    pub(crate) interface: InterfaceName,
    pub(crate) sync_id: u8,
    pub(crate) max_length: Option<u16>,
    pub(crate) group: Option<IpAddr>,
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) ttl: Option<NonZeroU8>,
}

impl SyncDaemon {
    /// A daemon on `interface` that talks to those with the same `sync_id`, or with every one if it is 0.
    #[must_use]
    pub const fn new(role: Role, interface: InterfaceName, sync_id: u8) -> Self {
        Self {
            role,
            interface,
            sync_id,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// With datagrams of at most `bytes` instead of what fits the interface. Linux 4.3.
    #[must_use]
    pub const fn max_length(mut self, bytes: u16) -> Self {
        self.max_length = Some(bytes);
        self
    }

    /// With this multicast group instead of 224.0.0.81. Linux 4.3.
    ///
    /// # Errors
    ///
    /// When it is no multicast address.
    pub fn group(mut self, group: IpAddr) -> Result<Self, InvalidGroup> {
        if !group.is_multicast() {
            return Err(InvalidGroup(group));
        }
        self.group = Some(group);
        Ok(self)
    }

    /// With this UDP port instead of 8848. Linux 4.3.
    #[must_use]
    pub const fn port(mut self, port: NonZeroU16) -> Self {
        self.port = Some(port);
        self
    }

    /// With this time to live instead of 1. Linux 4.3.
    #[must_use]
    pub const fn ttl(mut self, ttl: NonZeroU8) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Which side it is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether the kernel's daemon `entry` is this one: all that was set here is so there.
    #[must_use]
    pub fn is(&self, entry: &SyncDaemonEntry) -> bool {
        let Self {
            role,
            interface,
            sync_id,
            max_length,
            group,
            port,
            ttl,
        } = self;
        *role == entry.role
            && interface.as_str() == entry.interface
            && u32::from(*sync_id) == entry.sync_id
            // The kernel lowers it to what fits the interface.
            && max_length.is_none_or(|length| entry.max_length <= length)
            && group.is_none_or(|group| entry.group == Some(group))
            && port.is_none_or(|port| entry.port == port.get())
            && ttl.is_none_or(|ttl| entry.ttl == ttl.get())
    }
}

/// A synchronisation daemon that runs in the kernel, with the values that are in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncDaemonEntry {
    /// Which side it is.
    pub role: Role,
    /// The interface it works on.
    pub interface: String,
    /// Whom it talks to.
    pub sync_id: u32,
    /// The most bytes in a datagram; 0 before Linux 4.3, as all that follows.
    pub max_length: u16,
    /// The multicast group.
    pub group: Option<IpAddr>,
    /// The UDP port.
    pub port: u16,
    /// The time to live.
    pub ttl: u8,
}

/// After what time without a packet the kernel forgets a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Of TCP; 15 minutes unless changed.
    pub tcp: Duration,
    /// Of TCP after a FIN; 2 minutes unless changed.
    pub tcp_fin: Duration,
    /// Of UDP; 5 minutes unless changed.
    pub udp: Duration,
}

/// New timeouts; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the three that the kernel has")]
pub struct TimeoutChange {
    /// Of TCP.
    pub tcp: Option<Seconds>,
    /// Of TCP after a FIN.
    pub tcp_fin: Option<Seconds>,
    /// Of UDP.
    pub udp: Option<Seconds>,
}

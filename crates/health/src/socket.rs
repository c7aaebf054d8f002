//! Sockets of our own, so that source, device and mark can be chosen.

use std::net::IpAddr;

/// Where probes leave this machine from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct SocketOptions {
    /// The source address; `None`: the kernel's choice.
    pub source: Option<IpAddr>,
    /// The interface (`SO_BINDTODEVICE`); `None`: as routed.
    pub device: Option<String>,
    /// The firewall mark (`SO_MARK`); `None`: none.
    pub mark: Option<u32>,
}

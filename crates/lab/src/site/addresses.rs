//! Who has which address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::is_v6;
use crate::failover::Family;

/// A network of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// 10.77.0.0/24, fd77::/64: where the servers are.
    Inside,
    /// fe80::/64.
    Link,
    /// 10.99.0.0/24, fd99::/64: where the client of a site with NAT is.
    Outside,
}

pub(super) fn director(number: u8) -> u8 {
    number
}

pub(super) fn server(number: u8) -> u8 {
    number.saturating_add(10)
}

pub(super) fn service(number: u8) -> u8 {
    number.saturating_add(100)
}

pub(super) const CLIENT: u8 = 200;
/// By which the servers of a site with NAT answer.
pub(super) const GATEWAY: u8 = 254;

/// Host `last` in `network`. The link's own addresses are IPv6.
pub(super) fn net(family: Family, network: Network, last: u8) -> IpNet {
    let last6 = u16::from(last);
    let (address, prefix): (IpAddr, u8) = match (network, is_v6(family)) {
        (Network::Link, _) => ([0xfe80, 0, 0, 0, 0, 0, 0x77, last6].into(), 64),
        (Network::Inside, true) => ([0xfd77, 0, 0, 0, 0, 0, 0, last6].into(), 64),
        (Network::Outside, true) => ([0xfd99, 0, 0, 0, 0, 0, 0, last6].into(), 64),
        (Network::Inside, false) => ([10, 77, 0, last].into(), 24),
        (Network::Outside, false) => ([10, 99, 0, last].into(), 24),
    };
    IpNet::new(address, prefix).unwrap_or_else(|_| address.into())
}

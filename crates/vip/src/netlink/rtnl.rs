//! rtnetlink's messages about links and addresses. Pure, but for the question which kernel this is.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use locum_netlink::{Message, Request, flag};

use super::lease::Lifetime;
use crate::driver::LinkIndex;
use crate::wire::MacAddress;
use crate::wire::ndp::Role;

/// The protocol number (`IFA_PROTO`, shown as `proto 0x4c` by a recent `ip address`) that marks an address as ours.
///
/// An arbitrary choice in the range left to programs, `L`; keepalived's is 18.
pub const ADDRESS_PROTOCOL: u8 = b'L';

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;

/// Multicast groups.
pub(crate) const RTNLGRP_LINK: u32 = 1;
pub(crate) const RTNLGRP_IPV4_IFADDR: u32 = 5;
pub(crate) const RTNLGRP_IPV6_IFADDR: u32 = 9;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_CONF: u16 = 2;
const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;

const ARPHRD_ETHER: u16 = 1;
const IFF_UP: u32 = 1;
const IFF_RUNNING: u32 = 1 << 6;
const IFF_LOWER_UP: u32 = 1 << 16;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

const INFINITY: u32 = u32::MAX;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTN_LOCAL: u8 = 2;

/// Whether an address that exists is an error or to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// Fail with `EEXIST`. Else a lifetime could be put on somebody's permanent address.
    New,
    /// Change it; this also creates it if it is absent.
    Renew,
}

/// All that is said about an address is said each time: a renewal without the flags would clear them.
pub(crate) fn put_address(
    link: LinkIndex,
    address: IpNet,
    lifetime: Lifetime,
    put: Put,
    mark: bool,
) -> Request {
    let valid = match lifetime {
        Lifetime::Forever => INFINITY,
        Lifetime::Seconds(seconds) => seconds.get(),
    };
    let mut flags = 0;
    if address.prefix_len() == address.max_prefix_len() {
        flags |= IFA_F_NOPREFIXROUTE;
    }
    let preferred = match address {
        IpNet::V4(_) => valid,
        IpNet::V6(_) => {
            // Duplicate address detection would leave it unusable for a second, or for ever while
            // the old owner still has it. Preferred for zero seconds: never chosen as a source.
            flags |= IFA_F_NODAD;
            0
        }
    };
    let mut lifetimes = [0; 16];
    lifetimes[..4].copy_from_slice(&preferred.to_ne_bytes());
    lifetimes[4..8].copy_from_slice(&valid.to_ne_bytes());

    let request = Request::new(
        RTM_NEWADDR,
        match put {
            Put::New => flag::CREATE | flag::EXCLUSIVE,
            Put::Renew => flag::CREATE | flag::REPLACE,
        },
    );
    let request = address_body(request, link, address)
        .attribute(IFA_FLAGS, &u32::to_ne_bytes(flags))
        .attribute(IFA_CACHEINFO, &lifetimes);
    if mark {
        request.attribute(IFA_PROTO, &[ADDRESS_PROTOCOL])
    } else {
        request
    }
}

pub(crate) fn delete_address(link: LinkIndex, address: IpNet) -> Request {
    address_body(Request::new(RTM_DELADDR, 0), link, address)
}

fn address_body(request: Request, link: LinkIndex, address: IpNet) -> Request {
    let family = match address {
        IpNet::V4(_) => AF_INET,
        IpNet::V6(_) => AF_INET6,
    };
    let mut header = [family, address.prefix_len(), 0, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&link.get().to_ne_bytes());
    let request = request.header(&header);
    match address.addr() {
        IpAddr::V4(ip) => request
            .attribute(IFA_LOCAL, &ip.octets())
            .attribute(IFA_ADDRESS, &ip.octets()),
        IpAddr::V6(ip) => request
            .attribute(IFA_LOCAL, &ip.octets())
            .attribute(IFA_ADDRESS, &ip.octets()),
    }
}

/// Asks which way a packet to `ip` goes that came in on `link`: see [`is_local_route`].
pub(crate) fn route_to(link: LinkIndex, ip: Ipv6Addr) -> Request {
    let mut header = [0; 12];
    header[0] = AF_INET6;
    header[1] = 128;
    Request::new(RTM_GETROUTE, 0)
        .header(&header)
        .attribute(RTA_DST, &ip.octets())
        .attribute(RTA_OIF, &link.get().to_ne_bytes())
}

/// Does the kernel keep such packets for itself?
pub(crate) fn is_local_route(message: &Message) -> bool {
    message
        .split::<12>()
        .is_some_and(|([.., kind, _, _, _, _], _)| *kind == RTN_LOCAL)
}

/// Dumps the addresses of one interface, or of all.
pub(crate) fn dump_addresses(link: Option<LinkIndex>) -> Request {
    let mut header = [0; 8];
    if let Some(link) = link {
        header[4..].copy_from_slice(&link.get().to_ne_bytes());
    }
    Request::new(RTM_GETADDR, 0).header(&header)
}

pub(crate) fn dump_links() -> Request {
    Request::new(RTM_GETLINK, 0).header(&[0; 16])
}

pub(crate) fn link_request(link: LinkIndex) -> Request {
    Request::new(RTM_GETLINK, 0).header(&link_header(link))
}

/// Makes the deletion of a subnet's first address leave the others where they are.
pub(crate) fn promote_secondaries(link: LinkIndex) -> Request {
    Request::new(RTM_SETLINK, 0)
        .header(&link_header(link))
        .nested(IFLA_AF_SPEC, |families| {
            families.nested(u16::from(AF_INET), |inet| {
                inet.nested(IFLA_INET_CONF, |settings| {
                    settings.attribute(IPV4_DEVCONF_PROMOTE_SECONDARIES, &1_u32.to_ne_bytes())
                })
            })
        })
}

fn link_header(link: LinkIndex) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&link.get().to_ne_bytes());
    header
}

/// An address as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressEntry {
    pub(crate) link: LinkIndex,
    pub(crate) address: IpNet,
    pub(crate) marked: bool,
    /// Not the first of its subnet (IPv4).
    pub(crate) secondary: bool,
    /// Not under duplicate address detection, nor failed there.
    pub(crate) usable: bool,
}

/// An interface as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkEntry {
    pub(crate) index: LinkIndex,
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) carrier: bool,
    /// Of Ethernet interfaces only.
    pub(crate) mac: Option<MacAddress>,
    /// Whether it forwards IPv6.
    pub(crate) role: Role,
}

/// The address in an `RTM_NEWADDR` or `RTM_DELADDR`; `None` if it is of another family or makes no sense.
pub(crate) fn read_address(message: &Message) -> Option<AddressEntry> {
    let ([family, prefix, flags, _scope, index @ ..], attributes) = message.split::<8>()?;
    let link = LinkIndex::new(u32::from_ne_bytes(*index))?;
    let mut flags = u32::from(*flags);
    let (mut local, mut address, mut protocol) = (None, None, None);
    for attribute in attributes {
        match attribute.kind() {
            IFA_LOCAL => local = Some(attribute),
            IFA_ADDRESS => address = Some(attribute),
            IFA_FLAGS => flags = attribute.u32()?,
            IFA_PROTO => protocol = attribute.u8(),
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end.
    let ip = local.or(address)?;
    let ip = match *family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(ip.array::<4>()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(ip.array::<16>()?)),
        _ => return None,
    };
    let usable = flags & IFA_F_DADFAILED == 0
        && (flags & IFA_F_TENTATIVE == 0 || flags & IFA_F_OPTIMISTIC != 0);
    Some(AddressEntry {
        link,
        address: IpNet::new(ip, *prefix).ok()?,
        marked: protocol == Some(ADDRESS_PROTOCOL),
        secondary: ip.is_ipv4() && flags & IFA_F_SECONDARY != 0,
        usable,
    })
}

/// The interface in an `RTM_NEWLINK` or `RTM_DELLINK`; `None` for news about a bridge's port, which look the same.
pub(crate) fn read_link(message: &Message) -> Option<LinkEntry> {
    let (header, attributes) = message.split::<16>()?;
    let [family, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *header;
    if family != AF_UNSPEC {
        return None;
    }
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let mut entry = LinkEntry {
        index: LinkIndex::new(u32::from_ne_bytes([i0, i1, i2, i3]))?,
        name: String::new(),
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_RUNNING != 0 && flags & IFF_LOWER_UP != 0,
        mac: None,
        role: Role::Host,
    };
    let ethernet = u16::from_ne_bytes([t0, t1]) == ARPHRD_ETHER;
    for attribute in attributes {
        match attribute.kind() {
            IFLA_IFNAME => attribute.text()?.clone_into(&mut entry.name),
            IFLA_ADDRESS if ethernet => entry.mac = attribute.array(),
            IFLA_AF_SPEC => {
                let inet6 = attribute.nested().find(|a| a.kind() == u16::from(AF_INET6));
                let settings = inet6.and_then(|a| a.nested().find(|a| a.kind() == IFLA_INET6_CONF));
                // An array of 32-bit numbers, DEVCONF_FORWARDING the first.
                let forwarding = settings.and_then(|a| a.payload().first_chunk::<4>());
                if forwarding.is_some_and(|value| i32::from_ne_bytes(*value) != 0) {
                    entry.role = Role::Router;
                }
            }
            _ => {}
        }
    }
    Some(entry)
}

/// Linux keeps `IFA_PROTO` since 5.18.
pub(crate) fn kernel_has_marks() -> bool {
    fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| has_marks(&release))
}

fn has_marks(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 18),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

//! What the kernel answers. Attributes that are not known are skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use locum_netlink::{Attribute, Attributes, Message};
use thiserror::Error;

use super::{
    attr, command, daemon as dmn, destination as dest, info as inf, service as svc, stats as st,
};
use crate::types::{
    DestinationEntry, DestinationKey, DestinationSettings, ForwardMethod, Info, IpFamily, Netmask,
    Protocol, Role, ServiceEntry, ServiceKey, ServiceSettings, Stats, SyncDaemonEntry, Timeouts,
};

/// Why a message is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The answer to another command.
    #[error("a message with command {0} instead of the one asked for")]
    Command(u8),
    /// An attribute that must be there is not, or has another length.
    #[error("{0} is missing or malformed")]
    Missing(&'static str),
    /// Shorter than its header.
    #[error("a message that is too short")]
    Truncated,
    /// A value that cannot be.
    #[error("{0} has a value that cannot be")]
    Value(&'static str),
}

type Decoded<T> = Result<T, DecodeError>;

/// The number of the `IPVS` family, from the answer to [`request::family`](super::request::family).
///
/// # Errors
///
/// When the message is not such an answer.
pub fn family_id(message: &Message) -> Decoded<u16> {
    const FAMILY_ID: u16 = 1;
    let (_, mut attributes) = message.split::<4>().ok_or(DecodeError::Truncated)?;
    need(
        "the family's number",
        attributes.find(|a| a.kind() == FAMILY_ID),
        |a| a.u16(),
    )
}

/// A service.
///
/// # Errors
///
/// When the message is not one of a service.
pub fn service(message: &Message) -> Decoded<ServiceEntry> {
    let mut attributes = open(message, command::NEW_SERVICE)?;
    let service = need(
        "SERVICE",
        attributes.find(|a| a.kind() == attr::SERVICE),
        |a| Some(a.nested()),
    )?;
    let find = |kind| service.clone().find(|a: &Attribute<'_>| a.kind() == kind);
    let family = family(need("AF", find(svc::AF), |a| a.u16())?)?;
    let netmask = need("NETMASK", find(svc::NETMASK), |a| a.array::<4>())?;
    let key = match find(svc::FWMARK) {
        Some(mark) => ServiceKey::FirewallMark {
            family,
            mark: mark
                .u32()
                .and_then(NonZeroU32::new)
                .ok_or(DecodeError::Value("FWMARK"))?,
        },
        None => ServiceKey::Endpoint {
            protocol: Protocol::from_kernel(need("PROTOCOL", find(svc::PROTOCOL), |a| a.u16())?),
            address: need("ADDR", find(svc::ADDR), |a| address(&a, family))?,
            port: need("PORT", find(svc::PORT), port)?,
        },
    };
    Ok(ServiceEntry {
        key,
        settings: ServiceSettings {
            scheduler: need("SCHED_NAME", find(svc::SCHED_NAME), |a| a.text())?.to_owned(),
            flags: need("FLAGS", find(svc::FLAGS), flags)?,
            timeout: need("TIMEOUT", find(svc::TIMEOUT), |a| a.u32())?,
            netmask: match family {
                IpFamily::V4 => Netmask::V4(netmask.into()),
                IpFamily::V6 => Netmask::V6(u32::from_ne_bytes(netmask)),
            },
            engine: find(svc::PE_NAME).and_then(|a| a.text()).map(str::to_owned),
        },
        stats: stats(find(svc::STATS64).or_else(|| find(svc::STATS))),
    })
}

/// A destination of a service of IP version `service`, which a kernel before 3.18 does not repeat.
///
/// # Errors
///
/// When the message is not one of a destination.
pub fn destination(message: &Message, service: IpFamily) -> Decoded<DestinationEntry> {
    let mut attributes = open(message, command::NEW_DEST)?;
    let destination = need("DEST", attributes.find(|a| a.kind() == attr::DEST), |a| {
        Some(a.nested())
    })?;
    let find = |kind| {
        destination
            .clone()
            .find(|a: &Attribute<'_>| a.kind() == kind)
    };
    let number = |name, kind| need(name, find(kind), |a| a.u32());
    let family = match find(dest::ADDR_FAMILY) {
        Some(number) => family(number.u16().ok_or(DecodeError::Missing("ADDR_FAMILY"))?)?,
        None => service,
    };
    Ok(DestinationEntry {
        key: DestinationKey {
            address: need("ADDR", find(dest::ADDR), |a| address(&a, family))?,
            port: need("PORT", find(dest::PORT), port)?,
        },
        settings: DestinationSettings {
            forward: ForwardMethod::from_kernel(number("FWD_METHOD", dest::FWD_METHOD)?),
            weight: number("WEIGHT", dest::WEIGHT)?,
            upper_threshold: number("U_THRESH", dest::U_THRESH)?,
            lower_threshold: number("L_THRESH", dest::L_THRESH)?,
            tunnel_type: find(dest::TUN_TYPE).and_then(|a| a.u8()).unwrap_or(0),
            tunnel_port: find(dest::TUN_PORT).and_then(port).unwrap_or(0),
            tunnel_flags: find(dest::TUN_FLAGS).and_then(|a| a.u16()).unwrap_or(0),
        },
        active_connections: number("ACTIVE_CONNS", dest::ACTIVE_CONNS)?,
        inactive_connections: number("INACT_CONNS", dest::INACT_CONNS)?,
        persistent_connections: number("PERSIST_CONNS", dest::PERSIST_CONNS)?,
        stats: stats(find(dest::STATS64).or_else(|| find(dest::STATS))),
    })
}

/// A synchronisation daemon.
///
/// # Errors
///
/// When the message is not one of a daemon.
pub fn daemon(message: &Message) -> Decoded<SyncDaemonEntry> {
    let mut attributes = open(message, command::NEW_DAEMON)?;
    let daemon = need(
        "DAEMON",
        attributes.find(|a| a.kind() == attr::DAEMON),
        |a| Some(a.nested()),
    )?;
    let find = |kind| daemon.clone().find(|a: &Attribute<'_>| a.kind() == kind);
    let group_v4 = find(dmn::MCAST_GROUP).and_then(|a| a.array::<4>());
    let group_v6 = find(dmn::MCAST_GROUP6).and_then(|a| a.array::<16>());
    let group = match (group_v4, group_v6) {
        (Some(group), _) => Some(IpAddr::V4(group.into())),
        (None, Some(group)) => Some(IpAddr::V6(group.into())),
        (None, None) => None,
    };
    let role = need("STATE", find(dmn::STATE), |a| a.u32())?;
    Ok(SyncDaemonEntry {
        role: Role::from_kernel(role).ok_or(DecodeError::Value("STATE"))?,
        interface: need("MCAST_IFN", find(dmn::MCAST_IFN), |a| a.text())?.to_owned(),
        sync_id: need("SYNC_ID", find(dmn::SYNC_ID), |a| a.u32())?,
        max_length: find(dmn::SYNC_MAXLEN).and_then(|a| a.u16()).unwrap_or(0),
        group,
        port: find(dmn::MCAST_PORT).and_then(|a| a.u16()).unwrap_or(0),
        ttl: find(dmn::MCAST_TTL).and_then(|a| a.u8()).unwrap_or(0),
    })
}

/// The timeouts of connections.
///
/// # Errors
///
/// When the message is not one of timeouts.
pub fn timeouts(message: &Message) -> Decoded<Timeouts> {
    let attributes = open(message, command::SET_CONFIG)?;
    let timeout = |name, kind| {
        let seconds = need(name, attributes.clone().find(|a| a.kind() == kind), |a| {
            a.u32()
        })?;
        Ok(Duration::from_secs(seconds.into()))
    };
    Ok(Timeouts {
        tcp: timeout("TIMEOUT_TCP", attr::TIMEOUT_TCP)?,
        tcp_fin: timeout("TIMEOUT_TCP_FIN", attr::TIMEOUT_TCP_FIN)?,
        udp: timeout("TIMEOUT_UDP", attr::TIMEOUT_UDP)?,
    })
}

/// What the kernel's IPVS is. Its attributes are at the top level, with the numbers of others: the command tells.
///
/// # Errors
///
/// When the message is not such an answer.
pub fn info(message: &Message) -> Decoded<Info> {
    let attributes = open(message, command::SET_INFO)?;
    let number = |name, kind| {
        need(name, attributes.clone().find(|a| a.kind() == kind), |a| {
            a.u32()
        })
    };
    let [_, major, minor, patch] = number("VERSION", inf::VERSION)?.to_be_bytes();
    Ok(Info {
        version: (major, minor, patch),
        connection_table_size: number("CONN_TAB_SIZE", inf::CONN_TAB_SIZE)?,
    })
}

fn open(message: &Message, command: u8) -> Decoded<Attributes<'_>> {
    let (header, attributes) = message.split::<4>().ok_or(DecodeError::Truncated)?;
    let [found, ..] = *header;
    if found == command {
        Ok(attributes)
    } else {
        Err(DecodeError::Command(found))
    }
}

fn need<'a, T>(
    name: &'static str,
    attribute: Option<Attribute<'a>>,
    read: impl FnOnce(Attribute<'a>) -> Option<T>,
) -> Decoded<T> {
    attribute.and_then(read).ok_or(DecodeError::Missing(name))
}

const fn family(number: u16) -> Decoded<IpFamily> {
    match number {
        2 => Ok(IpFamily::V4),
        10 => Ok(IpFamily::V6),
        _ => Err(DecodeError::Value("AF")),
    }
}

fn address(attribute: &Attribute<'_>, family: IpFamily) -> Option<IpAddr> {
    let payload = attribute.payload();
    match family {
        IpFamily::V4 => payload
            .first_chunk::<4>()
            .map(|a| Ipv4Addr::from(*a).into()),
        IpFamily::V6 => payload
            .first_chunk::<16>()
            .map(|a| Ipv6Addr::from(*a).into()),
    }
}

fn port(attribute: Attribute<'_>) -> Option<u16> {
    attribute.array().map(u16::from_be_bytes)
}

/// The first word of `struct ip_vs_flags`, without what is the kernel's own.
fn flags(attribute: Attribute<'_>) -> Option<u32> {
    let flags = attribute.payload().first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*flags) & crate::types::SERVICE_FLAGS)
}

/// Both widths: `STATS` has numbers of 32 bits, but bytes of 64.
fn stats(attribute: Option<Attribute<'_>>) -> Stats {
    let mut stats = Stats::default();
    for attribute in attribute.iter().flat_map(Attribute::nested) {
        let wide = attribute.array().map(u64::from_ne_bytes);
        let Some(number) = wide.or_else(|| attribute.u32().map(u64::from)) else {
            continue;
        };
        match attribute.kind() {
            st::CONNS => stats.connections = number,
            st::INPKTS => stats.packets_in = number,
            st::OUTPKTS => stats.packets_out = number,
            st::INBYTES => stats.bytes_in = number,
            st::OUTBYTES => stats.bytes_out = number,
            st::CPS => stats.connections_per_second = number,
            st::INPPS => stats.packets_in_per_second = number,
            st::OUTPPS => stats.packets_out_per_second = number,
            st::INBPS => stats.bytes_in_per_second = number,
            st::OUTBPS => stats.bytes_out_per_second = number,
            _ => {}
        }
    }
    stats
}

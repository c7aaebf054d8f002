//! Requests as the kernel reads them. Written from the kernel's side: it shares nothing with what encodes them but
//! the numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use locum_netlink::{Attribute, Attributes, attributes};

use crate::client::errno::{EAFNOSUPPORT, EINVAL, EOPNOTSUPP};
use crate::types::{
    DestinationKey, DestinationSettings, ForwardMethod, IpFamily, Netmask, Protocol, Role,
    SERVICE_FLAGS, ServiceKey, ServiceSettings, SyncDaemonEntry,
};
use crate::wire::{attr, command, daemon as dmn, destination as dest, service as svc};

/// A destination's identity, its settings if all are there, or the error that is due once the service was found.
type Parsed = Result<(DestinationKey, Option<DestinationSettings>), i32>;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Change(Change),
    Query(Query),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Query {
    Daemons,
    Destinations(Option<ServiceKey>),
    Info,
    Service(ServiceKey),
    Services,
    Timeouts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    AddDestination(ServiceKey, Parsed),
    AddService(ServiceKey, ServiceSettings),
    EditDestination(ServiceKey, Parsed),
    EditService(ServiceKey, ServiceSettings),
    Flush,
    RemoveDestination(ServiceKey, Parsed),
    RemoveService(ServiceKey),
    SetTimeouts(u32, u32, u32),
    StartDaemon(SyncDaemonEntry),
    StopDaemon(Role),
    Zero(Option<ServiceKey>),
}

/// Reads the body of a request.
pub(super) fn call(body: &[u8], dump: bool) -> Result<Call, i32> {
    let (header, rest) = body.split_first_chunk::<4>().ok_or(EINVAL)?;
    let [command, ..] = *header;
    let find = |kind| attributes(rest).find(|a| a.kind() == kind);
    let nested = |kind| find(kind).map(|a| a.nested()).ok_or(EINVAL);
    let key = || identity(&nested(attr::SERVICE)?);
    let full = || {
        let list = nested(attr::SERVICE)?;
        let key = identity(&list)?;
        Ok((key, service_settings(&list, key.family())?))
    };
    let parsed = |key: &ServiceKey| destination(&nested(attr::DEST)?, key.family());
    let seconds = |kind| find(kind).and_then(|a| a.u32()).unwrap_or(0);
    let query = match (command, dump) {
        (command::GET_SERVICE, true) => Some(Query::Services),
        (command::GET_DEST, true) => Some(Query::Destinations(key().ok())),
        (command::GET_DAEMON, true) => Some(Query::Daemons),
        (_, true) => return Err(EOPNOTSUPP),
        (command::GET_SERVICE, false) => Some(Query::Service(key()?)),
        (command::GET_CONFIG, false) => Some(Query::Timeouts),
        (command::GET_INFO, false) => Some(Query::Info),
        (_, false) => None,
    };
    if let Some(query) = query {
        return Ok(Call::Query(query));
    }
    let change = match command {
        command::NEW_SERVICE => full().map(|(key, settings)| Change::AddService(key, settings)),
        command::SET_SERVICE => full().map(|(key, settings)| Change::EditService(key, settings)),
        command::DEL_SERVICE => key().map(Change::RemoveService),
        command::NEW_DEST => key().map(|key| Change::AddDestination(key, parsed(&key))),
        command::SET_DEST => key().map(|key| Change::EditDestination(key, parsed(&key))),
        command::DEL_DEST => key().map(|key| Change::RemoveDestination(key, parsed(&key))),
        command::NEW_DAEMON => start_daemon(&nested(attr::DAEMON)?).map(Change::StartDaemon),
        command::DEL_DAEMON => role(&nested(attr::DAEMON)?).map(Change::StopDaemon),
        command::SET_CONFIG => Ok(Change::SetTimeouts(
            seconds(attr::TIMEOUT_TCP),
            seconds(attr::TIMEOUT_TCP_FIN),
            seconds(attr::TIMEOUT_UDP),
        )),
        command::ZERO if find(attr::SERVICE).is_none() => Ok(Change::Zero(None)),
        command::ZERO => key().map(|key| Change::Zero(Some(key))),
        command::FLUSH => Ok(Change::Flush),
        _ => Err(EOPNOTSUPP),
    };
    change.map(Call::Change)
}

/// An attribute that must be there, and of the right length.
fn need<'a, T>(
    list: &Attributes<'a>,
    kind: u16,
    read: impl FnOnce(Attribute<'a>) -> Option<T>,
) -> Result<T, i32> {
    list.clone()
        .find(|a| a.kind() == kind)
        .and_then(read)
        .ok_or(EINVAL)
}

fn optional<'a, T>(
    list: &Attributes<'a>,
    kind: u16,
    read: impl FnOnce(Attribute<'a>) -> Option<T>,
) -> Option<T> {
    list.clone().find(|a| a.kind() == kind).and_then(read)
}

const fn family(number: u16) -> Result<IpFamily, i32> {
    match number {
        2 => Ok(IpFamily::V4),
        10 => Ok(IpFamily::V6),
        _ => Err(EAFNOSUPPORT),
    }
}

fn address(attribute: Attribute<'_>, family: IpFamily) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let payload = attribute.payload();
    bytes.get_mut(..payload.len())?.copy_from_slice(payload);
    let [a, b, c, d, ..] = bytes;
    Some(match family {
        IpFamily::V4 => Ipv4Addr::new(a, b, c, d).into(),
        IpFamily::V6 => Ipv6Addr::from(bytes).into(),
    })
}

fn network_u16(attribute: Attribute<'_>) -> Option<u16> {
    attribute.array().map(u16::from_be_bytes)
}

fn identity(list: &Attributes<'_>) -> Result<ServiceKey, i32> {
    let family = family(need(list, svc::AF, |a| a.u16())?)?;
    if let Some(mark) = optional(list, svc::FWMARK, |a| a.u32()) {
        // A mark of 0 is none: the kernel makes it TCP to 0.0.0.0, port 0.
        let nowhere = match family {
            IpFamily::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpFamily::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        return Ok(NonZeroU32::new(mark).map_or(
            ServiceKey::Endpoint {
                protocol: Protocol::TCP,
                address: nowhere,
                port: 0,
            },
            |mark| ServiceKey::FirewallMark { family, mark },
        ));
    }
    Ok(ServiceKey::Endpoint {
        protocol: Protocol::from_kernel(need(list, svc::PROTOCOL, |a| a.u16())?),
        address: need(list, svc::ADDR, |a| address(a, family))?,
        port: need(list, svc::PORT, network_u16)?,
    })
}

fn service_settings(list: &Attributes<'_>, family: IpFamily) -> Result<ServiceSettings, i32> {
    let scheduler = need(list, svc::SCHED_NAME, |a| a.text())?;
    let flags = need(list, svc::FLAGS, |a| a.array::<8>())?;
    let timeout = need(list, svc::TIMEOUT, |a| a.u32())?;
    let netmask = need(list, svc::NETMASK, |a| a.array::<4>())?;
    let engine = optional(list, svc::PE_NAME, |a| a.text());
    let netmask = match family {
        IpFamily::V4 => Netmask::V4(netmask.into()),
        IpFamily::V6 => match u32::from_ne_bytes(netmask) {
            prefix @ 1..=128 => Netmask::V6(prefix),
            _ => return Err(EINVAL),
        },
    };
    if scheduler.len() > 15 {
        return Err(EINVAL);
    }
    let [f0, f1, f2, f3, mask @ ..] = flags;
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]) & u32::from_ne_bytes(mask);
    Ok(ServiceSettings {
        scheduler: scheduler.to_owned(),
        flags: flags & SERVICE_FLAGS,
        timeout,
        netmask,
        engine: engine.map(str::to_owned),
    })
}

fn destination(list: &Attributes<'_>, service: IpFamily) -> Parsed {
    let family = match optional(list, dest::ADDR_FAMILY, |a| a.u16()) {
        Some(number) => family(number)?,
        None => service,
    };
    let key = DestinationKey {
        address: need(list, dest::ADDR, |a| address(a, family))?,
        port: need(list, dest::PORT, network_u16)?,
    };
    Ok((key, destination_settings(list).ok()))
}

fn destination_settings(list: &Attributes<'_>) -> Result<DestinationSettings, i32> {
    Ok(DestinationSettings {
        forward: ForwardMethod::from_kernel(need(list, dest::FWD_METHOD, |a| a.u32())?),
        weight: need(list, dest::WEIGHT, |a| a.u32())?,
        upper_threshold: need(list, dest::U_THRESH, |a| a.u32())?,
        lower_threshold: need(list, dest::L_THRESH, |a| a.u32())?,
        tunnel_type: optional(list, dest::TUN_TYPE, |a| a.u8()).unwrap_or(0),
        tunnel_port: optional(list, dest::TUN_PORT, network_u16).unwrap_or(0),
        tunnel_flags: optional(list, dest::TUN_FLAGS, |a| a.u16()).unwrap_or(0),
    })
}

fn role(list: &Attributes<'_>) -> Result<Role, i32> {
    Role::from_kernel(need(list, dmn::STATE, |a| a.u32())?).ok_or(EINVAL)
}

/// With the values that the kernel fills in.
fn start_daemon(list: &Attributes<'_>) -> Result<SyncDaemonEntry, i32> {
    let group_v4 = optional(list, dmn::MCAST_GROUP, |a| a.array::<4>());
    let group_v6 = optional(list, dmn::MCAST_GROUP6, |a| a.array::<16>());
    let group: IpAddr = match (group_v4, group_v6) {
        (Some(group), _) => Ipv4Addr::from(group).into(),
        (None, Some(group)) => Ipv6Addr::from(group).into(),
        (None, None) => Ipv4Addr::new(224, 0, 0, 81).into(),
    };
    if !group.is_multicast() {
        return Err(EINVAL);
    }
    Ok(SyncDaemonEntry {
        role: role(list)?,
        interface: need(list, dmn::MCAST_IFN, |a| a.text())?.to_owned(),
        sync_id: need(list, dmn::SYNC_ID, |a| a.u32())?,
        max_length: optional(list, dmn::SYNC_MAXLEN, |a| a.u16()).unwrap_or(1472),
        group: Some(group),
        port: optional(list, dmn::MCAST_PORT, |a| a.u16()).unwrap_or(8848),
        ttl: optional(list, dmn::MCAST_TTL, |a| a.u8()).unwrap_or(1),
    })
}

//! Requests. `family` is the number that the kernel gave to the `IPVS` family; see [`family()`].

use std::ffi::CString;
use std::net::IpAddr;

use locum_netlink::Request;

use super::{attr, command, daemon, destination as dest, service as svc};
use crate::op::Op;
use crate::types::{
    DestinationKey, DestinationSettings, IpFamily, Netmask, Role, ServiceKey, ServiceSettings,
    SyncDaemon, TimeoutChange,
};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY` and `CTRL_ATTR_FAMILY_NAME`.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_NAME: u16 = 2;

/// Asks for the number of the `IPVS` family. Linux 5.16 and later load the module for it.
pub fn family() -> Request {
    message(CONTROLLER, GET_FAMILY).attribute(FAMILY_NAME, b"IPVS\0")
}

/// Asks for every service; a dump.
pub fn services(family: u16) -> Request {
    message(family, command::GET_SERVICE)
}

/// Asks for one service.
pub fn service(family: u16, key: &ServiceKey) -> Request {
    with_service(message(family, command::GET_SERVICE), key, None)
}

/// Asks for every destination of a service; a dump, empty if there is no such service.
pub fn destinations(family: u16, key: &ServiceKey) -> Request {
    with_service(message(family, command::GET_DEST), key, None)
}

/// Asks for the synchronisation daemons; a dump.
pub fn daemons(family: u16) -> Request {
    message(family, command::GET_DAEMON)
}

/// Asks for the timeouts of connections.
pub fn timeouts(family: u16) -> Request {
    message(family, command::GET_CONFIG)
}

/// Asks what the kernel's IPVS is.
pub fn info(family: u16) -> Request {
    message(family, command::GET_INFO)
}

/// The request for a change.
pub fn encode(family: u16, op: &Op) -> Request {
    let message = |command| message(family, command);
    match op {
        Op::AddService(service) => {
            let settings = service.settings();
            with_service(
                message(command::NEW_SERVICE),
                service.key(),
                Some(&settings),
            )
        }
        Op::EditService(service) => {
            let settings = service.settings();
            with_service(
                message(command::SET_SERVICE),
                service.key(),
                Some(&settings),
            )
        }
        Op::RemoveService(key) => with_service(message(command::DEL_SERVICE), key, None),
        Op::AddDestination(key, destination) => {
            let request = with_service(message(command::NEW_DEST), key, None);
            with_destination(request, destination.key(key), Some(destination.settings()))
        }
        Op::EditDestination(key, destination) => {
            let request = with_service(message(command::SET_DEST), key, None);
            with_destination(request, destination.key(key), Some(destination.settings()))
        }
        Op::DrainDestination(key, destination, settings) => {
            let drained = DestinationSettings {
                weight: 0,
                ..*settings
            };
            let request = with_service(message(command::SET_DEST), key, None);
            with_destination(request, *destination, Some(drained))
        }
        Op::RemoveDestination(key, destination) => {
            let request = with_service(message(command::DEL_DEST), key, None);
            with_destination(request, *destination, None)
        }
        Op::StartDaemon(daemon) => start_daemon(message(command::NEW_DAEMON), daemon),
        Op::StopDaemon(role) => stop_daemon(message(command::DEL_DAEMON), *role),
        Op::SetTimeouts(change) => set_timeouts(message(command::SET_CONFIG), change),
        Op::Zero(Some(key)) => with_service(message(command::ZERO), key, None),
        Op::Zero(None) => message(command::ZERO),
        Op::Flush => message(command::FLUSH),
    }
}

fn message(kind: u16, command: u8) -> Request {
    Request::new(kind, 0).header(&[command, 1, 0, 0])
}

fn with_service(request: Request, key: &ServiceKey, settings: Option<&ServiceSettings>) -> Request {
    request.nested(attr::SERVICE, |request| {
        let request = identity(request, key);
        match settings {
            Some(settings) => service_settings(request, settings),
            None => request,
        }
    })
}

fn identity(request: Request, key: &ServiceKey) -> Request {
    let request = request.attribute(svc::AF, &number_of(key.family()).to_ne_bytes());
    match key {
        ServiceKey::Endpoint {
            protocol,
            address,
            port,
        } => request
            .attribute(svc::PROTOCOL, &protocol.number().to_ne_bytes())
            .attribute(svc::ADDR, &padded(*address))
            .attribute(svc::PORT, &port.to_be_bytes()),
        ServiceKey::FirewallMark { mark, .. } => {
            request.attribute(svc::FWMARK, &mark.get().to_ne_bytes())
        }
    }
}

fn service_settings(request: Request, settings: &ServiceSettings) -> Request {
    // Flags and the mask of those to be set: all of them.
    let [f0, f1, f2, f3] = settings.flags.to_ne_bytes();
    let netmask = match settings.netmask {
        Netmask::V4(mask) => mask.octets(),
        Netmask::V6(prefix) => prefix.to_ne_bytes(),
    };
    let request = request
        .attribute(svc::SCHED_NAME, &text(&settings.scheduler))
        .attribute(svc::FLAGS, &[f0, f1, f2, f3, 0xff, 0xff, 0xff, 0xff])
        .attribute(svc::TIMEOUT, &settings.timeout.to_ne_bytes())
        .attribute(svc::NETMASK, &netmask);
    match &settings.engine {
        Some(engine) => request.attribute(svc::PE_NAME, &text(engine)),
        None => request,
    }
}

fn with_destination(
    request: Request,
    key: DestinationKey,
    settings: Option<DestinationSettings>,
) -> Request {
    request.nested(attr::DEST, |request| {
        let family = number_of(key.address.into());
        let request = request
            .attribute(dest::ADDR, &padded(key.address))
            .attribute(dest::PORT, &key.port.to_be_bytes())
            .attribute(dest::ADDR_FAMILY, &family.to_ne_bytes());
        let Some(settings) = settings else {
            return request;
        };
        let request = request
            .attribute(dest::FWD_METHOD, &settings.forward.number().to_ne_bytes())
            .attribute(dest::WEIGHT, &settings.weight.to_ne_bytes())
            .attribute(dest::U_THRESH, &settings.upper_threshold.to_ne_bytes())
            .attribute(dest::L_THRESH, &settings.lower_threshold.to_ne_bytes());
        // Without them the kernel takes IP in IP, port 0, no flags.
        if (
            settings.tunnel_type,
            settings.tunnel_port,
            settings.tunnel_flags,
        ) == (0, 0, 0)
        {
            return request;
        }
        request
            .attribute(dest::TUN_TYPE, &[settings.tunnel_type])
            .attribute(dest::TUN_PORT, &settings.tunnel_port.to_be_bytes())
            .attribute(dest::TUN_FLAGS, &settings.tunnel_flags.to_ne_bytes())
    })
}

fn start_daemon(request: Request, daemon: &SyncDaemon) -> Request {
    request.nested(attr::DAEMON, |mut request| {
        request = request
            .attribute(daemon::STATE, &daemon.role.number().to_ne_bytes())
            .attribute(daemon::MCAST_IFN, &text(daemon.interface.as_str()))
            .attribute(daemon::SYNC_ID, &u32::from(daemon.sync_id).to_ne_bytes());
        if let Some(length) = daemon.max_length {
            request = request.attribute(daemon::SYNC_MAXLEN, &length.to_ne_bytes());
        }
        match daemon.group {
            Some(IpAddr::V4(group)) => {
                request = request.attribute(daemon::MCAST_GROUP, &group.octets());
            }
            Some(IpAddr::V6(group)) => {
                request = request.attribute(daemon::MCAST_GROUP6, &group.octets());
            }
            None => {}
        }
        if let Some(port) = daemon.port {
            // In host order, unlike every other port.
            request = request.attribute(daemon::MCAST_PORT, &port.get().to_ne_bytes());
        }
        if let Some(ttl) = daemon.ttl {
            request = request.attribute(daemon::MCAST_TTL, &[ttl.get()]);
        }
        request
    })
}

fn stop_daemon(request: Request, role: Role) -> Request {
    request.nested(attr::DAEMON, |request| {
        request.attribute(daemon::STATE, &role.number().to_ne_bytes())
    })
}

fn set_timeouts(request: Request, change: &TimeoutChange) -> Request {
    [
        (attr::TIMEOUT_TCP, change.tcp),
        (attr::TIMEOUT_TCP_FIN, change.tcp_fin),
        (attr::TIMEOUT_UDP, change.udp),
    ]
    .into_iter()
    .fold(request, |request, (kind, timeout)| match timeout {
        Some(timeout) => request.attribute(kind, &timeout.get().to_ne_bytes()),
        None => request,
    })
}

const fn number_of(family: IpFamily) -> u16 {
    match family {
        IpFamily::V4 => AF_INET,
        IpFamily::V6 => AF_INET6,
    }
}

/// `union nf_inet_addr`: 16 bytes, of which IPv4 uses the first four.
fn padded(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// With the NUL that ends it. Names of the kernel's and ours have none inside.
fn text(name: &str) -> Vec<u8> {
    CString::new(name)
        .map(CString::into_bytes_with_nul)
        .unwrap_or_default()
}

//! Answers as the kernel writes them.

use std::net::IpAddr;

use locum_netlink::{Message, Request};

use crate::types::{
    DestinationEntry, IpFamily, Netmask, ServiceEntry, ServiceKey, Stats, SyncDaemonEntry, Timeouts,
};
use crate::wire::{
    attr, command, daemon as dmn, destination as dest, info as inf, service as svc, stats as st,
};

pub(super) fn family(number: u16) -> Message {
    let body = header(1)
        .attribute(2, b"IPVS\0")
        .attribute(1, &number.to_ne_bytes());
    Message::new(16, body.body().to_vec())
}

pub(super) fn service(family: u16, entry: &ServiceEntry) -> Message {
    let settings = &entry.settings;
    let netmask = match settings.netmask {
        Netmask::V4(mask) => mask.octets(),
        Netmask::V6(prefix) => prefix.to_ne_bytes(),
    };
    // IP_VS_SVC_F_HASHED, and the mask that says nothing.
    let mut flags = (settings.flags | 0x02).to_ne_bytes().to_vec();
    flags.extend_from_slice(&[0xff; 4]);
    let body = header(command::NEW_SERVICE).nested(attr::SERVICE, |request| {
        let request = request.attribute(svc::AF, &number_of(entry.key.family()));
        let request = match entry.key {
            ServiceKey::Endpoint {
                protocol,
                address,
                port,
            } => request
                .attribute(svc::PROTOCOL, &protocol.number().to_ne_bytes())
                .attribute(svc::ADDR, &padded(address))
                .attribute(svc::PORT, &port.to_be_bytes()),
            ServiceKey::FirewallMark { mark, .. } => {
                request.attribute(svc::FWMARK, &mark.get().to_ne_bytes())
            }
        };
        let request = request.attribute(svc::SCHED_NAME, &text(&settings.scheduler));
        let request = match &settings.engine {
            Some(engine) => request.attribute(svc::PE_NAME, &text(engine)),
            None => request,
        };
        request
            .attribute(svc::FLAGS, &flags)
            .attribute(svc::TIMEOUT, &settings.timeout.to_ne_bytes())
            .attribute(svc::NETMASK, &netmask)
            .nested(svc::STATS64, |request| stats(request, &entry.stats))
    });
    message(family, &body)
}

pub(super) fn destination(family: u16, entry: &DestinationEntry) -> Message {
    let settings = &entry.settings;
    let body = header(command::NEW_DEST).nested(attr::DEST, |request| {
        request
            .attribute(dest::ADDR, &padded(entry.key.address))
            .attribute(dest::PORT, &entry.key.port.to_be_bytes())
            .attribute(dest::FWD_METHOD, &settings.forward.number().to_ne_bytes())
            .attribute(dest::WEIGHT, &settings.weight.to_ne_bytes())
            .attribute(dest::U_THRESH, &settings.upper_threshold.to_ne_bytes())
            .attribute(dest::L_THRESH, &settings.lower_threshold.to_ne_bytes())
            .attribute(dest::ACTIVE_CONNS, &entry.active_connections.to_ne_bytes())
            .attribute(dest::INACT_CONNS, &entry.inactive_connections.to_ne_bytes())
            .attribute(
                dest::PERSIST_CONNS,
                &entry.persistent_connections.to_ne_bytes(),
            )
            .attribute(dest::ADDR_FAMILY, &number_of(entry.key.address.into()))
            .attribute(dest::TUN_TYPE, &[settings.tunnel_type])
            .attribute(dest::TUN_PORT, &settings.tunnel_port.to_be_bytes())
            .attribute(dest::TUN_FLAGS, &settings.tunnel_flags.to_ne_bytes())
            .nested(dest::STATS64, |request| stats(request, &entry.stats))
    });
    message(family, &body)
}

pub(super) fn daemon(family: u16, entry: &SyncDaemonEntry) -> Message {
    let body = header(command::NEW_DAEMON).nested(attr::DAEMON, |request| {
        let request = request
            .attribute(dmn::STATE, &entry.role.number().to_ne_bytes())
            .attribute(dmn::MCAST_IFN, &text(&entry.interface))
            .attribute(dmn::SYNC_ID, &entry.sync_id.to_ne_bytes())
            .attribute(dmn::SYNC_MAXLEN, &entry.max_length.to_ne_bytes())
            .attribute(dmn::MCAST_PORT, &entry.port.to_ne_bytes())
            .attribute(dmn::MCAST_TTL, &[entry.ttl]);
        match entry.group {
            Some(IpAddr::V4(group)) => request.attribute(dmn::MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => request.attribute(dmn::MCAST_GROUP6, &group.octets()),
            None => request,
        }
    });
    message(family, &body)
}

pub(super) fn timeouts(family: u16, timeouts: &Timeouts) -> Message {
    let body = [
        (attr::TIMEOUT_TCP, timeouts.tcp),
        (attr::TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        (attr::TIMEOUT_UDP, timeouts.udp),
    ]
    .into_iter()
    .fold(header(command::SET_CONFIG), |request, (kind, timeout)| {
        let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        request.attribute(kind, &seconds.to_ne_bytes())
    });
    message(family, &body)
}

pub(super) fn info(family: u16) -> Message {
    let body = header(command::SET_INFO)
        .attribute(inf::VERSION, &0x01_02_01_u32.to_ne_bytes())
        .attribute(inf::CONN_TAB_SIZE, &4096_u32.to_ne_bytes());
    message(family, &body)
}

fn header(command: u8) -> Request {
    Request::new(0, 0).header(&[command, 1, 0, 0])
}

fn message(family: u16, body: &Request) -> Message {
    Message::new(family, body.body().to_vec())
}

fn stats(request: Request, stats: &Stats) -> Request {
    [
        (st::CONNS, stats.connections),
        (st::INPKTS, stats.packets_in),
        (st::OUTPKTS, stats.packets_out),
        (st::INBYTES, stats.bytes_in),
        (st::OUTBYTES, stats.bytes_out),
        (st::CPS, stats.connections_per_second),
        (st::INPPS, stats.packets_in_per_second),
        (st::OUTPPS, stats.packets_out_per_second),
        (st::INBPS, stats.bytes_in_per_second),
        (st::OUTBPS, stats.bytes_out_per_second),
    ]
    .into_iter()
    .fold(request, |request, (kind, number)| {
        request.attribute(kind, &number.to_ne_bytes())
    })
}

const fn number_of(family: IpFamily) -> [u8; 2] {
    match family {
        IpFamily::V4 => 2_u16.to_ne_bytes(),
        IpFamily::V6 => 10_u16.to_ne_bytes(),
    }
}

fn padded(address: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(address) => {
            for (byte, octet) in bytes.iter_mut().zip(address.octets()) {
                *byte = octet;
            }
        }
        IpAddr::V6(address) => bytes = address.octets(),
    }
    bytes
}

fn text(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

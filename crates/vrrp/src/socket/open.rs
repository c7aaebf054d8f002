//! Raw sockets with all that VRRP asks of them.

use std::io;

use locum_vip::LinkIndex;
use locum_vrrp_wire::{AH_IP_PROTOCOL, IP_PROTOCOL, IP_TTL, MULTICAST_IPV4, MULTICAST_IPV6};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use crate::config::Family;
use crate::filter::Step;
use crate::transport::Carrier;

/// Internetwork control (RFC 9568 leaves it open; keepalived does the same).
const TRAFFIC_CLASS: u32 = 0xc0;
/// How many packets may have come in on a new socket before it was bound to its interface.
const STRAY_MAX: usize = 4096;

pub(super) fn raw(family: Family, carrier: Carrier) -> io::Result<Socket> {
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    let protocol = match carrier {
        Carrier::Header => AH_IP_PROTOCOL,
        Carrier::Plain => IP_PROTOCOL,
    };
    let protocol = Protocol::from(i32::from(protocol));
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(super) fn open(
    interface: &str,
    index: LinkIndex,
    family: Family,
    carrier: Carrier,
    receive_buffer: usize,
) -> io::Result<Socket> {
    let socket = raw(family, carrier)?;
    if carrier == Carrier::Header {
        // What the header authenticates is the IPv4 header too, so that the kernel must not make it.
        socket.set_header_included_v4(true)?;
    }
    socket.bind_device(Some(interface.as_bytes()))?;
    // Without CAP_NET_ADMIN, as much as the system allows.
    if set_socket_recv_buffer_size_force(&socket, receive_buffer).is_err() {
        let _ = socket.set_recv_buffer_size(receive_buffer);
    }
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    let ttl = u32::from(IP_TTL);
    match family {
        Family::Ipv4 => {
            socket.set_ttl_v4(ttl)?;
            socket.set_multicast_ttl_v4(ttl)?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
            socket.set_multicast_loop_v4(false)?;
            // Otherwise a group that any process has joined is received here.
            socket.set_multicast_all_v4(false)?;
            let on = InterfaceIndexOrAddress::Index(index.get());
            socket.join_multicast_v4_n(&MULTICAST_IPV4, &on)?;
        }
        Family::Ipv6 => {
            socket.set_unicast_hops_v6(ttl)?;
            socket.set_multicast_hops_v6(ttl)?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_all_v6(false)?;
            socket.set_multicast_if_v6(index.get())?;
            socket.join_multicast_v6(&MULTICAST_IPV6, index.get())?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            socket.set_recv_hoplimit_v6(true)?;
        }
    }
    // What came in before the socket was bound may be another interface's, and without its hop limit.
    drain(&socket);
    Ok(socket)
}

pub(super) fn attach(socket: &Socket, program: &[Step]) -> io::Result<()> {
    let instruction = |step: &Step| {
        let (holds, fails) = step.skips;
        SockFilter::new(step.code, holds, fails, step.operand)
    };
    let program: Vec<SockFilter> = program.iter().map(instruction).collect();
    socket.attach_filter(&program)
}

pub(super) fn drain(socket: &Socket) {
    let mut stray = [0; 1];
    for _ in 0..STRAY_MAX {
        if rustix::io::read(socket, &mut stray).is_err() {
            break;
        }
    }
}

//! Sockets for single packets that hear one peer only, and what the network says of what they sent to it.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use socket2::{Domain, Socket};
use tokio::net::UdpSocket;

use crate::check::CheckError;
use crate::sys;
#[cfg(feature = "icmp")]
pub(crate) use crate::sys::hear_echo_replies_only;

/// Makes `socket`, a new one, hear `target` only, and registers it with the runtime.
pub(crate) fn connect(socket: Socket, target: SocketAddr) -> Result<UdpSocket, CheckError> {
    let domain = Domain::for_address(target);
    sys::report_errors(&socket, domain).map_err(CheckError::Local)?;
    socket.connect(&target.into())?;
    // A raw socket is no UDP socket, but is read and written with the same calls, and those are all that this type adds.
    UdpSocket::from_std(socket.into()).map_err(CheckError::Local)
}

/// What an error that a socket received means. Unlike one of sending, it is never this machine's.
pub(crate) fn received(error: io::Error) -> CheckError {
    // The kernel's `icmp_err_convert` and `icmpv6_err_convert`, without that of closed ports.
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(
            Errno::ACCESS
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::MSGSIZE
            | Errno::NETUNREACH
            | Errno::NONET
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::PROTO,
        ) => CheckError::Unreachable,
        _ => error.into(),
    }
}

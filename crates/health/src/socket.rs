//! Sockets of our own, so that source, device and mark can be chosen.
//!
//! They never block, are not inherited by programs that are run, and connections are closed by a reset: thousands of
//! probes leave none behind in `TIME_WAIT`, where each would keep a port from use for a minute.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
#[cfg(any(feature = "tcp", feature = "http"))]
use rustix::net::sockopt::set_tcp_quickack;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::check::CheckError;
use crate::sys;

/// Where probes leave this machine from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub struct SocketOptions {
    /// The source address; `None`: the kernel's choice.
    pub source: Option<IpAddr>,
    /// The interface (`SO_BINDTODEVICE`); `None`: as routed.
    pub device: Option<String>,
    /// The firewall mark (`SO_MARK`); `None`: none.
    pub mark: Option<u32>,
}

/// When the answer of a server to a connection is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledge {
    /// At once, so that a server can speak first.
    AtOnce,
    /// With what this machine sends first, be it the reset that closes. That saves a packet; a server is not woken for
    /// a connection on which nobody speaks, nor logs or counts it as broken.
    #[cfg(any(feature = "tcp", feature = "http"))]
    WithNext,
}

/// Connects to `target`. Dropping the stream resets the connection; dropping the future gives it up.
///
/// # Errors
///
/// [`CheckError::Local`] if the socket could not be opened or set up as `options` say, otherwise what came of the
/// attempt to connect.
pub async fn connect(options: &SocketOptions, target: SocketAddr) -> Result<TcpStream, CheckError> {
    connect_with(options, target, Acknowledge::AtOnce).await
}

/// Connects to `target`, as [`connect`] does.
pub(crate) async fn connect_with(
    options: &SocketOptions,
    target: SocketAddr,
    acknowledge: Acknowledge,
) -> Result<TcpStream, CheckError> {
    let socket = stream(options, target.ip(), acknowledge).map_err(CheckError::Local)?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
            return Err(error.into());
        }
        Ok(()) | Err(_) => {}
    }
    let stream = TcpStream::from_std(socket.into()).map_err(CheckError::Local)?;
    let ready = stream.ready(Interest::WRITABLE | Interest::ERROR).await?;
    // What the readiness says already need not be asked for with another system call.
    if (ready.is_error() || ready.is_write_closed())
        && let Some(error) = stream.take_error()?
    {
        return Err(error.into());
    }
    Ok(stream)
}

fn stream(options: &SocketOptions, target: IpAddr, acknowledge: Acknowledge) -> io::Result<Socket> {
    let socket = open(options, target, Type::STREAM, Protocol::TCP)?;
    socket.set_linger(Some(Duration::ZERO))?;
    match acknowledge {
        Acknowledge::AtOnce => {}
        #[cfg(any(feature = "tcp", feature = "http"))]
        Acknowledge::WithNext => set_tcp_quickack(&socket, false)?,
    }
    Ok(socket)
}

/// A socket that never blocks and leaves as `options` say, to reach `target`.
pub(crate) fn open(
    options: &SocketOptions,
    target: IpAddr,
    kind: Type,
    protocol: Protocol,
) -> io::Result<Socket> {
    if options
        .source
        .is_some_and(|source| source.is_ipv4() != target.is_ipv4())
    {
        return Err(Errno::AFNOSUPPORT.into());
    }
    let domain = match target {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    // With both flags in the type it is one system call, not three.
    let socket = Socket::new_raw(domain, kind.nonblocking().cloexec(), Some(protocol))?;
    if let Some(mark) = options.mark {
        socket.set_mark(mark)?;
    }
    if let Some(device) = &options.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = options.source {
        if kind == Type::STREAM {
            sys::bind_address_no_port(&socket)?;
        }
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    Ok(socket)
}

/// What an error of reading or writing on a connection means, with TLS or without.
#[cfg(any(feature = "tcp", feature = "http"))]
pub(crate) fn failure(error: io::Error) -> CheckError {
    #[cfg(feature = "tls")]
    let result = crate::tls::from_io(error);
    #[cfg(not(feature = "tls"))]
    let result = error.into();
    result
}

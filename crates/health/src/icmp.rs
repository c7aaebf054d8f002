//! Echo requests (RFC 792, RFC 4443).

mod echo;

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use rustix::net::RecvFlags;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use self::echo::{Echo, Family, Kind};
use crate::check::{CheckError, HealthCheck, Pass};
use crate::socket::{self, SocketOptions};
use crate::{datagram, random};

/// Settings of the check by echo request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct IcmpConfig {
    /// Where the request leaves from.
    pub socket: SocketOptions,
}

/// The check by echo request: passes when the reply is there. The port of the target does not matter.
///
/// Needs `CAP_NET_RAW`, or a group within the sysctl `net.ipv4.ping_group_range`, which is for IPv6 too.
#[derive(Debug, Clone)]
pub struct IcmpCheck {
    config: IcmpConfig,
}

impl IcmpCheck {
    /// A check with these settings.
    #[must_use]
    pub const fn new(config: IcmpConfig) -> Self {
        Self { config }
    }
}

#[async_trait]
impl HealthCheck for IcmpCheck {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        let mut target = target;
        // Sockets of ICMP have no ports, but a raw one of IPv6 takes the port for a protocol.
        target.set_port(0);
        let (socket, kind) = open(&self.config.socket, target).map_err(CheckError::Local)?;
        let socket = datagram::connect(socket, target)?;
        let family = match target {
            SocketAddr::V4(_) => Family::V4,
            SocketAddr::V6(_) => Family::V6,
        };
        let echo = Echo::new(family, kind, random::bytes().map_err(CheckError::Local)?);
        socket.send(&echo.encode()).await?;
        answered(&socket, &echo, target.ip()).await?;
        Ok(Pass::new())
    }
}

/// Opens the socket that needs the least privileges.
fn open(options: &SocketOptions, target: SocketAddr) -> io::Result<(Socket, Kind)> {
    let protocol = match target {
        SocketAddr::V4(_) => Protocol::ICMPV4,
        SocketAddr::V6(_) => Protocol::ICMPV6,
    };
    if let Ok(socket) = socket::open(options, target.ip(), Type::DGRAM, protocol) {
        return Ok((socket, Kind::Ping));
    }
    let socket = socket::open(options, target.ip(), Type::RAW, protocol)?;
    datagram::hear_echo_replies_only(&socket, Domain::for_address(target))?;
    Ok((socket, Kind::Raw))
}

/// Waits for the reply to `echo`, or for the network to say that there will be none.
async fn answered(socket: &UdpSocket, echo: &Echo, peer: IpAddr) -> Result<(), CheckError> {
    let mut buffer = [0; echo::ROOM];
    loop {
        let received = socket
            .async_io(Interest::READABLE | Interest::ERROR, || {
                receive(socket, &mut buffer, RecvFlags::empty())
            })
            .await;
        match received {
            Ok((length, from)) => {
                let packet = buffer.get(..length).unwrap_or_default();
                if from == Some(peer) && echo.is_answered_by(packet) {
                    return Ok(());
                }
            }
            Err(error) => {
                if is_refused(socket, echo)? {
                    return Err(CheckError::Unreachable);
                }
                // Else it was about another packet to the same peer, such as those of `traceroute`.
                let error = datagram::received(error);
                if !matches!(error, CheckError::Refused | CheckError::Unreachable) {
                    return Err(error);
                }
            }
        }
    }
}

/// Whether one of the ICMP errors that wait in the socket is about `echo`.
fn is_refused(socket: &UdpSocket, echo: &Echo) -> Result<bool, CheckError> {
    let mut buffer = [0; echo::ROOM];
    loop {
        match receive(socket, &mut buffer, RecvFlags::ERRQUEUE) {
            Ok((length, _)) => {
                if echo.is_quoted_in(buffer.get(..length).unwrap_or_default()) {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes what is there, and never waits.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, Option<IpAddr>)> {
    let flags = flags | RecvFlags::DONTWAIT;
    let (_, length, from) = rustix::net::recvfrom(socket, buffer, flags)?;
    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
    Ok((length, from.map(|from| from.ip())))
}

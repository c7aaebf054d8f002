//! How messages travel (RFC 1035 §4.2).

use std::io;
use std::net::SocketAddr;

use rustix::net::RecvFlags;
use socket2::{Protocol, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UdpSocket;

use crate::check::CheckError;
use crate::datagram;
use crate::socket::{self, SocketOptions};

/// More than a server may send to one that has not asked for more (RFC 1035 §4.2.1: 512 bytes).
const ROOM: usize = 4096;

/// A socket that hears `target` only.
pub(super) fn datagrams(
    options: &SocketOptions,
    target: SocketAddr,
) -> Result<UdpSocket, CheckError> {
    let socket = socket::open(options, target.ip(), Type::DGRAM, Protocol::UDP)
        .map_err(CheckError::Local)?;
    datagram::connect(socket, target)
}

/// The next datagram.
pub(super) async fn datagram(socket: &UdpSocket) -> Result<Vec<u8>, CheckError> {
    let mut message = vec![0; ROOM];
    // ICMP errors make a socket ready, but not to be read.
    let length = socket
        .async_io(Interest::READABLE | Interest::ERROR, || {
            rustix::net::recv(socket, &mut message[..], RecvFlags::DONTWAIT)
                .map(|(_, length)| length)
                .map_err(io::Error::from)
        })
        .await
        .map_err(datagram::received)?;
    message.truncate(length);
    Ok(message)
}

/// Sends a message on a connection of its own and reads the answer. Each has its length before it (RFC 1035 §4.2.2).
pub(super) async fn exchange(
    options: &SocketOptions,
    target: SocketAddr,
    query: &[u8],
) -> Result<Vec<u8>, CheckError> {
    let mut stream = socket::connect(options, target).await?;
    let length = u16::try_from(query.len()).map_err(|_| CheckError::Malformed("query too long"))?;
    // In one piece: some servers want the length and the message together (RFC 7766 §8).
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(query);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

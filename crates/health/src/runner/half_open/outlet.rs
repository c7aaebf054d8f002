//! A raw socket for one source address, and the ports that are kept for it.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

use super::filter;
use super::wire::{ANSWER_ROOM, Answer, Encoded};
use crate::socket::{self, SocketOptions};
use crate::sys;

/// A server gets so many ports in turn. One that misses the reset which ends a probe has forgotten it after 63 s
/// (`tcp_synack_retries`), or says what it thinks of when it is asked on the same port again.
const PORTS: usize = 16;

/// More than the answers to all that may be under way.
const BUFFER: usize = 2 << 20;

/// So many packets are sent or received by one system call.
const BATCH: usize = 128;

/// An outlet, by its place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct OutletId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Outlet {
    socket: Socket,
    source: IpAddr,
    resets: Resets,
    /// Sockets that are bound and no more: no program of this machine gets their ports, and the kernel answers what
    /// comes to them with a reset, as nobody listens or is connected there.
    ports: Vec<(u16, Socket)>,
    drops: u32,
}

/// Who ends what a server takes for the beginning of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resets {
    /// The kernel, to whom it comes too.
    Kernel,
    /// We: the kernel's reset would have neither the mark nor the device, and might not find the way.
    Ours,
}

impl Outlet {
    /// Opens one that leaves as `options` say, which may have no source, and from `source`.
    pub(super) fn open(options: &SocketOptions, source: IpAddr) -> io::Result<Self> {
        let options = SocketOptions {
            source: Some(source),
            ..options.clone()
        };
        let socket = socket::open(&options, source, Type::RAW, Protocol::TCP)?;
        let mut ports = Vec::with_capacity(PORTS);
        for _ in 0..PORTS {
            ports.push(reserve(source)?);
        }
        let numbers: Vec<u16> = ports.iter().map(|(port, _)| *port).collect();
        socket.attach_filter(&filter::program(source, &numbers))?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
            // As much as may be without privileges.
            socket.set_recv_buffer_size(BUFFER)?;
        }
        if sockopt::set_socket_send_buffer_size_force(&socket, BUFFER).is_err() {
            socket.set_send_buffer_size(BUFFER)?;
        }
        let mut outlet = Self {
            socket,
            source,
            resets: match (options.device, options.mark) {
                (None, None) => Resets::Kernel,
                _ => Resets::Ours,
            },
            ports,
            drops: 0,
        };
        // What came in before there was a filter.
        while outlet.receive(|_| {})? {}
        outlet.drops = sys::drops(&outlet.socket)?;
        Ok(outlet)
    }

    pub(super) const fn source(&self) -> IpAddr {
        self.source
    }

    pub(super) const fn resets(&self) -> Resets {
        self.resets
    }

    /// The ports, the one at `turn` first.
    pub(super) fn ports(&self, turn: u8) -> impl Iterator<Item = u16> + '_ {
        let ports = self.ports.iter().cycle().skip(usize::from(turn) % PORTS);
        ports.take(self.ports.len()).map(|(port, _)| *port)
    }

    /// Whether packets have been lost since this was asked the last time.
    pub(super) fn has_lost(&mut self) -> bool {
        let before = self.drops;
        // Who cannot tell has to be believed.
        self.drops = sys::drops(&self.socket).unwrap_or(before);
        self.drops != before
    }

    /// Sends all of them. `refused` is told which this machine did not.
    pub(super) fn send(
        &self,
        packets: &[(SocketAddr, Encoded)],
        mut refused: impl FnMut(usize, io::Error),
    ) {
        let mut begin = 0;
        while let Some(rest) = packets.get(begin..).filter(|rest| !rest.is_empty()) {
            let batch = rest.get(..BATCH).unwrap_or(rest);
            match self.send_batch(batch) {
                Ok(sent) => begin += sent.max(1),
                Err(error) => {
                    // It is the first one's.
                    refused(begin, error);
                    begin += 1;
                }
            }
        }
    }

    fn send_batch(&self, batch: &[(SocketAddr, Encoded)]) -> io::Result<usize> {
        let addresses: Vec<Option<SockaddrStorage>> = batch
            .iter()
            // A raw socket of IPv6 takes the port for a protocol.
            .map(|(target, _)| Some(SocketAddr::new(target.ip(), 0).into()))
            .collect();
        let segments: Vec<[IoSlice<'_>; 1]> = batch
            .iter()
            .map(|(_, segment)| [IoSlice::new(segment.as_slice())])
            .collect();
        let mut headers = MultiHeaders::preallocate(batch.len(), None);
        let sent = sendmmsg(
            self.socket.as_raw_fd(),
            &mut headers,
            &segments,
            &addresses,
            [],
            MsgFlags::MSG_DONTWAIT,
        )?;
        Ok(sent.count())
    }

    /// Takes as many packets as one system call brings; whether there may be more.
    pub(super) fn receive(&self, mut take: impl FnMut(Option<Answer>)) -> io::Result<bool> {
        let mut buffers = [[0_u8; ANSWER_ROOM]; BATCH];
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let received = recvmmsg(
            self.socket.as_raw_fd(),
            &mut headers,
            &mut slices,
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        let received = match received {
            Ok(received) => received,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        for message in received {
            count += 1;
            let bytes = message.iovs().next().unwrap_or_default();
            let answer = match self.source {
                IpAddr::V4(_) => Answer::decode_packet(bytes),
                IpAddr::V6(_) => message.address.and_then(|from| {
                    let from = from.as_sockaddr_in6()?.ip();
                    Answer::decode(from.into(), bytes)
                }),
            };
            take(answer);
        }
        Ok(count == BATCH)
    }
}

/// A free port, which stays this machine's own while the socket is open.
fn reserve(source: IpAddr) -> io::Result<(u16, Socket)> {
    let (domain, any): (_, IpAddr) = match source {
        IpAddr::V4(_) => (Domain::IPV4, std::net::Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(_) => (Domain::IPV6, std::net::Ipv6Addr::UNSPECIFIED.into()),
    };
    let socket = Socket::new_raw(domain, Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    if source.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let address = socket.local_addr()?.as_socket();
    let port = address.map_or(0, |address| address.port());
    Ok((port, socket))
}

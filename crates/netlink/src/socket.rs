//! A netlink socket whose every wait has an end.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::clock::Deadline;
use crate::sys;

/// Larger than any datagram the kernel builds for a dump (32 KiB).
pub(crate) const BUFFER: usize = 64 * 1024;

/// Reads at most this many datagrams to empty a queue.
const DRAIN: usize = 1 << 20;

/// Which part of the kernel a socket talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// `NETLINK_CONNECTOR`: events of processes, see [`ProcessMonitor`](crate::ProcessMonitor).
    Connector,
    /// `NETLINK_GENERIC`: families found by name, such as IPVS.
    Generic,
    /// `NETLINK_ROUTE`: links, addresses, routes, rules, neighbours.
    Route,
}

pub(crate) struct Socket(NlSocket);

impl Socket {
    pub(crate) fn open(family: Family, groups: &[u32], receive_buffer: usize) -> io::Result<Self> {
        let protocol = match family {
            Family::Connector => NlFamily::Connector,
            Family::Generic => NlFamily::Generic,
            Family::Route => NlFamily::Route,
        };
        let socket = NlSocket::connect(protocol, None, Groups::new_groups(groups))?;
        let descriptor = sys::descriptor(&socket);
        // The forced size needs CAP_NET_ADMIN; the other is capped by net.core.rmem_max. Neither is a must.
        if sockopt::set_socket_recv_buffer_size_force(descriptor, receive_buffer).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(descriptor, receive_buffer);
        }
        if family == Family::Route {
            // Lets the kernel filter dumps by interface (Linux 4.20); callers filter again.
            let _ = socket.enable_strict_checking(true);
        }
        Ok(Self(socket))
    }

    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        match self.0.send(datagram, Msg::empty())? {
            sent if sent == datagram.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// The length of the next datagram, read into `buffer`; `WouldBlock` when there is none.
    pub(crate) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        // With MSG_TRUNC the kernel returns the real length, even if it did not fit.
        let (length, _) = self.0.recv(buffer, Msg::DONTWAIT | Msg::TRUNC)?;
        if length > room {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(length)
    }

    /// The next two datagrams in one system call, if there are two: what one leaves empty has length 0. A short dump is an
    /// answer and its end, and the kernel makes the end while the answer is received. `buffers` are one behind the other.
    fn try_receive_two(&self, buffers: &mut [u8]) -> io::Result<[usize; 2]> {
        let (first, second) = buffers.split_at_mut(BUFFER.min(buffers.len()));
        let room = [first.len(), second.len()];
        let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(2, None);
        let mut slices = [first, second].map(|buffer| [IoSliceMut::new(buffer)]);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let descriptor = self.as_fd().as_raw_fd();
        let mut received = recvmmsg(descriptor, &mut headers, &mut slices, flags, None)?;
        let mut next = || received.next().map_or(0, |message| message.bytes);
        let lengths = [next(), next()];
        if lengths
            .iter()
            .zip(room)
            .any(|(length, room)| *length > room)
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(lengths)
    }

    /// Both of them, waiting until `deadline` for the first: then `TimedOut`.
    pub(crate) fn receive_two(
        &self,
        buffers: &mut [u8],
        deadline: &mut Deadline,
    ) -> io::Result<[usize; 2]> {
        Self::wait_for(self.as_fd(), deadline, || self.try_receive_two(buffers))
    }

    /// As [`try_receive`](Self::try_receive), waiting until `deadline`: then `TimedOut`.
    pub(crate) fn receive(&self, buffer: &mut [u8], deadline: &mut Deadline) -> io::Result<usize> {
        Self::wait_for(self.as_fd(), deadline, || self.try_receive(buffer))
    }

    fn wait_for<T>(
        descriptor: BorrowedFd<'_>,
        deadline: &mut Deadline,
        mut receive: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
            let left = deadline.left();
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait_readable(descriptor, left)?;
        }
    }

    /// Throws away all that is waiting: after an overflow the kernel delivers nothing more until the queue is empty.
    pub(crate) fn drain(&self, buffer: &mut [u8]) {
        for _ in 0..DRAIN {
            if let Err(error) = self.try_receive(buffer)
                && error.kind() == io::ErrorKind::WouldBlock
            {
                return;
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        sys::descriptor(&self.0)
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Socket").field(&self.as_fd()).finish()
    }
}

/// True when `descriptor` became readable (or broken) within `timeout`.
pub(crate) fn wait_readable(descriptor: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    // Too long for the kernel: for ever.
    let timeout = Timespec::try_from(timeout).ok();
    match poll(
        &mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)],
        timeout.as_ref(),
    ) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// True for `ENOBUFS` and for a datagram larger than our buffer.
pub(crate) fn is_loss(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error())
        || error.kind() == io::ErrorKind::InvalidData
}

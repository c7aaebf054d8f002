//! Sends announcements, on a thread of its own.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use locum_netlink::Connection;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::{into_address_error, rtnl, sys};
use crate::driver::{AddressError, LinkIndex};
use crate::wire::ndp::Role;
use crate::wire::{MacAddress, arp, ndp};

/// Waits so often for room in the interface's queue, for each frame.
const RETRIES: usize = 5;
const RETRY: Duration = Duration::from_millis(1);

/// A frame that cannot be queued for so long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How fast announcements may follow one another: a pause after so many frames. By default there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain settings, built by callers"
)]
pub struct Pace {
    /// So many frames follow one another at once.
    pub frames: NonZeroUsize,
    /// Then there is a pause of this length, a second at most.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            frames: NonZeroUsize::MAX,
            pause: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Announcer {
    /// Its own, so that an announcement does not wait for a change of addresses.
    connection: Connection,
    /// Opened when first needed, since it needs CAP_NET_RAW.
    socket: Option<OwnedFd>,
    pace: Pace,
}

impl Announcer {
    pub(crate) const fn new(connection: Connection, pace: Pace) -> Self {
        Self {
            connection,
            socket: None,
            pace,
        }
    }

    /// Announces `addresses` once, for as long as that `is_wanted`, and returns how many frames it sent.
    pub(crate) fn announce(
        &mut self,
        link: LinkIndex,
        addresses: &[IpAddr],
        is_wanted: impl Fn() -> bool,
    ) -> Result<usize, AddressError> {
        let Some((mac, role)) = self.sender(link)? else {
            return Ok(0);
        };
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open().map_err(into_address_error)?,
        };
        // All requests first: most neighbours have learned by then.
        let first = addresses.iter().map(|address| match address {
            IpAddr::V4(ip) => arp::gratuitous_request(mac, *ip).to_vec(),
            IpAddr::V6(ip) => ndp::unsolicited_advertisement(mac, *ip, role).to_vec(),
        });
        let second = addresses.iter().filter_map(|address| match address {
            IpAddr::V4(ip) => Some(arp::gratuitous_reply(mac, *ip).to_vec()),
            IpAddr::V6(_) => None,
        });
        let mut sent: usize = 0;
        let mut failure = None;
        for frame in first.chain(second) {
            if sent > 0 && sent.is_multiple_of(self.pace.frames.get()) {
                thread::sleep(self.pace.pause.min(Duration::from_secs(1)));
            }
            if !is_wanted() {
                break;
            }
            match send(&socket, link, &frame) {
                Ok(()) => sent = sent.saturating_add(1),
                // It went down meanwhile: as if it had been before.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => break,
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        self.socket = Some(socket);
        failure.map_or(Ok(sent), |error| Err(into_address_error(error)))
    }

    /// The address to send from, and whether we forward IPv6; `None` if nobody could hear it.
    fn sender(&mut self, link: LinkIndex) -> Result<Option<(MacAddress, Role)>, AddressError> {
        // Asked each time: the address may change, and this takes microseconds.
        let mut answers = self.connection.execute(&[rtnl::link_request(link)]);
        let messages = answers.pop().unwrap_or(Ok(Vec::new()))?;
        let link = messages
            .iter()
            .find_map(rtnl::read_link)
            .ok_or(AddressError::Unknown)?;
        Ok(link
            .mac
            .filter(|_| link.up && link.carrier)
            .map(|mac| (mac, link.role)))
    }
}

fn open() -> io::Result<OwnedFd> {
    // Protocol 0: this socket receives nothing.
    let socket = socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(SEND_TIMEOUT))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, link: LinkIndex, frame: &[u8]) -> io::Result<()> {
    let mut result = sys::send_frame(socket.as_fd(), link, frame);
    for _ in 0..RETRIES {
        match &result {
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => thread::sleep(RETRY),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
        result = sys::send_frame(socket.as_fd(), link, frame);
    }
    result
}

//! All that the compiler cannot check.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::config::Family;

/// The longest IPv4 header and 255 IPv6 addresses fit.
const PACKET_MAX: usize = 4608;
/// A `sockaddr_in6`, the longest that a raw socket here writes.
const NAME_MAX: usize = size_of::<libc::sockaddr_in6>();
#[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
const NAME_LEN: libc::socklen_t = NAME_MAX as libc::socklen_t;
/// More than the four control messages that are asked for.
const CONTROL_MAX: usize = 160;
/// No more than this are read at once.
pub(crate) const SLOTS: usize = 16;

/// Room for one packet, and what the kernel wrote into it.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    packet: [u8; PACKET_MAX],
    len: usize,
    name: [u8; NAME_MAX],
    name_len: usize,
    control: [u8; CONTROL_MAX],
    control_len: usize,
}

impl Slot {
    pub(crate) const fn new() -> Self {
        Self {
            packet: [0; PACKET_MAX],
            len: 0,
            name: [0; NAME_MAX],
            name_len: 0,
            control: [0; CONTROL_MAX],
            control_len: 0,
        }
    }

    pub(crate) fn packet(&self) -> &[u8] {
        self.packet.get(..self.len).unwrap_or_default()
    }

    /// The sender as the kernel wrote it, a `sockaddr_in6`; nothing over IPv4, where the packet says it.
    pub(crate) fn name(&self) -> &[u8] {
        self.name.get(..self.name_len).unwrap_or_default()
    }

    pub(crate) fn control(&self) -> &[u8] {
        self.control.get(..self.control_len).unwrap_or_default()
    }
}

/// Reads as many packets as there are, but no more than [`SLOTS`] and one for each of `slots`, without waiting.
pub(crate) fn receive(
    socket: &impl AsRawFd,
    family: Family,
    slots: &mut [Slot],
) -> io::Result<usize> {
    let mut parts = [libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }; SLOTS];
    #[expect(unsafe_code, reason = "on some systems it has fields without a name")]
    // SAFETY: a C structure of numbers and pointers, all of which may be zero.
    let mut headers: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };
    let mut count = 0;
    for ((slot, part), header) in slots.iter_mut().zip(&mut parts).zip(&mut headers) {
        part.iov_base = slot.packet.as_mut_ptr().cast();
        part.iov_len = PACKET_MAX;
        let header = &mut header.msg_hdr;
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if family == Family::Ipv6 {
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = NAME_LEN;
        }
        header.msg_control = slot.control.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_MAX;
        count += 1;
    }
    #[expect(
        unsafe_code,
        reason = "nix forgets the room for control messages after the first call"
    )]
    // SAFETY: `count` headers point to parts and to buffers of the lengths given, which outlive the call and which
    // nobody else uses meanwhile.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT,
            ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (slot, header) in slots.iter_mut().zip(&headers).take(received) {
        slot.len = header.msg_len as usize;
        slot.name_len = header.msg_hdr.msg_namelen as usize;
        slot.control_len = header.msg_hdr.msg_controllen;
    }
    Ok(received)
}

/// Registers `inner` with the runtime of the caller, to learn when it can be read.
pub(crate) fn watch_readable<T: AsRawFd + Into<OwnedFd>>(inner: T) -> io::Result<AsyncFd<T>> {
    #[expect(
        unsafe_code,
        reason = "the safe constructor cannot know that the descriptor is owned"
    )]
    // SAFETY: `T` owns its descriptor, as `Into<OwnedFd>` says, so that it stays open and the same until `T` is dropped.
    // The two types that are used here, `OwnedFd` and socket2's `Socket`, never exchange it, and no caller asks for
    // `get_mut`.
    let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}

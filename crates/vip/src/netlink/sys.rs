//! The one unsafe spot: no safe crate has an address type for packet sockets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::driver::LinkIndex;

/// Sends a whole Ethernet frame out of `link` through a packet socket.
#[expect(unsafe_code, reason = "sendto(2) with a sockaddr_ll")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the size of sockaddr_ll is a small constant"
)]
pub(crate) fn send_frame(socket: BorrowedFd<'_>, link: LinkIndex, frame: &[u8]) -> io::Result<()> {
    let ether_type = match frame {
        [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => u16::from_ne_bytes([*high, *low]),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let address = address(link, ether_type)?;
    // SAFETY: `frame` and `address` are live for the whole call and their lengths are their own; `socket` is an open
    // descriptor; the kernel only reads.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            libc::MSG_NOSIGNAL,
            ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Lets a packet socket receive what comes in on `link` with this EtherType.
#[expect(unsafe_code, reason = "bind(2) with a sockaddr_ll")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the size of sockaddr_ll is a small constant"
)]
pub(crate) fn bind_packets(
    socket: BorrowedFd<'_>,
    link: LinkIndex,
    ether_type: u16,
) -> io::Result<()> {
    let address = address(link, ether_type.to_be())?;
    // SAFETY: `address` is live for the whole call and the length is its own; `socket` is an open descriptor; the kernel
    // only reads.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if bound < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the family is a small constant"
)]
fn address(link: LinkIndex, ether_type_be: u16) -> io::Result<libc::sockaddr_ll> {
    Ok(libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ether_type_be,
        sll_ifindex: i32::try_from(link.get()).map_err(|_| io::ErrorKind::InvalidInput)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    })
}

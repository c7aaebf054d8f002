//! The one unsafe spot: no safe crate has an address type for packet sockets.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::driver::LinkIndex;

/// Sends a whole Ethernet frame out of `link` through a packet socket.
#[expect(unsafe_code, reason = "sendto(2) with a sockaddr_ll")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the size and the family of sockaddr_ll are small constants"
)]
pub(crate) fn send_frame(socket: BorrowedFd<'_>, link: LinkIndex, frame: &[u8]) -> io::Result<()> {
    let ether_type = match frame {
        [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => u16::from_ne_bytes([*high, *low]),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let index = i32::try_from(link.get()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ether_type,
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
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

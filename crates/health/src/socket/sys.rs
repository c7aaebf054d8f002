//! All that the compiler cannot check.

use std::io;
use std::os::fd::AsRawFd as _;

use socket2::Socket;

/// Leaves the choice of the port to the moment of connecting (`IP_BIND_ADDRESS_NO_PORT`, IPv4 and IPv6), when it need
/// only be unique among the connections to one target: binding would take one of all ports of the address.
pub(crate) fn bind_address_no_port(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of_val(&on);
    let length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "no crate here has this socket option")]
    // SAFETY: the descriptor is open, as `socket` owns it, and the kernel reads `length` bytes at the pointer, which is
    // the size of what is there.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

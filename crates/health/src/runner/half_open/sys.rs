//! All that the compiler cannot check.

use std::io;
use std::mem::size_of_val;
use std::os::fd::AsRawFd as _;

use socket2::Socket;

/// How many packets `socket` has lost since it was opened, for want of room (`SO_MEMINFO`).
pub(super) fn drops(socket: &Socket) -> io::Result<u32> {
    // `linux/sock_diag.h`: nine numbers, of which the last is that of the drops.
    let mut numbers = [0_u32; 9];
    let mut length = libc::socklen_t::try_from(size_of_val(&numbers)).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "no crate here has this socket option")]
    // SAFETY: the descriptor is open, as `socket` owns it, and the kernel writes `length` bytes at the most, which is
    // the size of `numbers`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let [.., drops] = numbers;
    Ok(drops)
}

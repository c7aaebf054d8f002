//! All that the compiler cannot check.

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use libc::c_int;
use socket2::{Domain, Socket};

/// Lets `socket` learn of every ICMP error about what it sent, not only of the fatal ones.
pub(crate) fn report_errors(socket: &Socket, domain: Domain) -> io::Result<()> {
    let (level, name) = if domain == Domain::IPV4 {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    };
    let on: c_int = 1;
    set(socket, level, name, &on)
}

/// Lets the raw ICMP socket `socket` hear echo replies only.
#[cfg(feature = "icmp")]
pub(crate) fn hear_echo_replies_only(socket: &Socket, domain: Domain) -> io::Result<()> {
    // `linux/icmp.h` and `linux/icmpv6.h`: a bit set blocks a type.
    const ICMP_FILTER: c_int = 1;
    const ICMPV6_FILTER: c_int = 1;
    if domain == Domain::IPV4 {
        let blocked: u32 = !(1 << 0);
        set(socket, libc::SOL_RAW, ICMP_FILTER, &blocked)
    } else {
        let mut blocked = [u32::MAX; 8];
        // Type 129 is bit 1 of the fifth word.
        if let Some(word) = blocked.get_mut(129 / 32) {
            *word &= !(1 << (129 % 32));
        }
        set(socket, libc::SOL_ICMPV6, ICMPV6_FILTER, &blocked)
    }
}

/// What a socket option can be set to: plain numbers, without padding.
trait Value {}
impl Value for c_int {}
#[cfg(feature = "icmp")]
impl Value for u32 {}
#[cfg(feature = "icmp")]
impl Value for [u32; 8] {}

#[expect(unsafe_code, reason = "these options have no safe wrapper")]
fn set<T: Value>(socket: &Socket, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let value: *const T = value;
    // SAFETY: `value` is of a `T` that lives through the call, and `length` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), length) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

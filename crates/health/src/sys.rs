//! All that the compiler cannot check.

use std::io;
use std::mem::size_of_val;
use std::os::fd::AsRawFd as _;
#[cfg(feature = "exec")]
use std::os::unix::process::CommandExt as _;
#[cfg(feature = "exec")]
use std::process::Command;

use libc::c_int;
#[cfg(any(feature = "dns", feature = "icmp"))]
use socket2::Domain;
use socket2::Socket;

/// Lets the program that `command` starts belong to no groups but its own, and have no capabilities but its user's.
///
/// The standard library takes the groups away only from a process of user 0, and ambient capabilities from none.
#[cfg(feature = "exec")]
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec")]
pub(crate) fn keep_no_privileges(command: &mut Command) {
    // SAFETY: these are plain system calls; they allocate nothing and take no lock, and an error of theirs is a number.
    unsafe {
        command.pre_exec(|| {
            // With no room given, the kernel only counts.
            match libc::getgroups(0, std::ptr::null_mut()) {
                0 => {}
                // By now user 0 has become another and may not do this any more: but it has no groups any more either.
                _ => rustix::thread::set_thread_groups(&[])?,
            }
            match rustix::thread::clear_ambient_capability_set() {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::from(error)),
            }
        });
    }
}

/// Leaves the choice of the port to the moment of connecting (`IP_BIND_ADDRESS_NO_PORT`, IPv4 and IPv6), when it need
/// only be unique among the connections to one target: binding would take one of all ports of the address.
pub(crate) fn bind_address_no_port(socket: &Socket) -> io::Result<()> {
    let on: c_int = 1;
    set(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &on)
}

/// Lets `socket` learn of every ICMP error about what it sent, not only of the fatal ones.
#[cfg(any(feature = "dns", feature = "icmp"))]
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

/// How many packets `socket` has lost since it was opened, for want of room (`SO_MEMINFO`).
pub(crate) fn drops(socket: &Socket) -> io::Result<u32> {
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

/// What a socket option can be set to: plain numbers, without padding.
trait Value {}
impl Value for c_int {}
#[cfg(feature = "icmp")]
impl Value for u32 {}
#[cfg(feature = "icmp")]
impl Value for [u32; 8] {}

#[expect(unsafe_code, reason = "these options have no safe wrapper")]
fn set<T: Value>(socket: &Socket, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(value)).map_err(io::Error::other)?;
    let value: *const T = value;
    // SAFETY: `value` is of a `T` that lives through the call, and `length` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), length) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

//! The system calls that no safe crate wraps.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{c_char, c_int, c_void};

/// Lets the kernel kill the program when the *thread* that starts it ends, even by SIGKILL.
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec")]
pub(crate) fn die_with_thread(command: &mut Command) {
    // SAFETY: prctl(PR_SET_PDEATHSIG) is a plain system call: it allocates nothing and takes no lock.
    unsafe { command.pre_exec(|| signal_at_death_of_parent(libc::SIGKILL)) };
}

/// The same for a program that leads a process group of its own, and for all of that group.
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec")]
pub(crate) fn die_with_thread_as_group(command: &mut Command) {
    command.process_group(0);
    // SAFETY: both sides of the fork only do system calls, which allocate nothing and take no lock.
    unsafe {
        command.pre_exec(|| {
            signal_at_death_of_parent(libc::SIGKILL)?;
            let leader = libc::getpid();
            match libc::fork() {
                -1 => Err(io::Error::last_os_error()),
                0 => guard_group(leader),
                _ => Ok(()),
            }
        });
    }
}

/// Waits for the leader of this group to end, and takes the group with it. It starts with a copy of all that its
/// leader has open, and would keep pipes open that others wait to see closed.
#[expect(unsafe_code, reason = "it runs between fork and exec")]
fn guard_group(leader: libc::pid_t) -> ! {
    // SAFETY: plain system calls, and `set` is initialised before it is read.
    unsafe {
        libc::syscall(libc::SYS_close_range, 0, c_int::MAX, 0);
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        if signal_at_death_of_parent(libc::SIGUSR1).is_ok() {
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGUSR1);
            let mut signal = 0;
            // Else it has ended already, and nothing will say so.
            while libc::getppid() == leader {
                libc::sigwait(&raw const set, &raw mut signal);
            }
        }
        libc::kill(0, libc::SIGKILL);
        libc::_exit(0)
    }
}

#[expect(unsafe_code, reason = "prctl")]
fn signal_at_death_of_parent(signal: c_int) -> io::Result<()> {
    // SAFETY: it reads and writes no memory of ours.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Which frames a packet socket hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Those that arrive and those that this namespace sends.
    Both,
    /// Only those that arrive.
    Incoming,
    /// Only those that this namespace sends: the kernel keeps the rest from us, however many they are.
    Outgoing,
}

/// A non-blocking packet socket in the namespace of the calling thread, on interface `index` (0: all of them).
#[expect(
    unsafe_code,
    reason = "there is no safe wrapper of sockaddr_ll and packet(7) options"
)]
pub(crate) fn packet_socket(index: u32, direction: Direction) -> io::Result<OwnedFd> {
    let protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(3).to_be();
    let flags = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; protocol 0 receives nothing until bind names one.
    let raw = unsafe { libc::socket(libc::AF_PACKET, flags, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `raw` is a new descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 4 << 20)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    match direction {
        Direction::Both => {}
        Direction::Incoming => {
            set_option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
        }
        Direction::Outgoing => keep_outgoing(&socket)?,
    }
    bind_packet_socket(&socket, index, protocol)?;
    Ok(socket)
}

/// A packet socket that sends from interface `index` in the namespace of the calling thread, and receives nothing.
#[expect(unsafe_code, reason = "there is no safe wrapper of sockaddr_ll")]
pub(crate) fn sending_packet_socket(index: u32) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; protocol 0 receives nothing.
    let raw = unsafe { libc::socket(libc::AF_PACKET, flags, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `raw` is a new descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    bind_packet_socket(&socket, index, 0)?;
    Ok(socket)
}

/// Attaches a filter (bpf(4)) that lets only frames pass that are sent here.
#[expect(unsafe_code, reason = "SO_ATTACH_FILTER has no safe wrapper here")]
fn keep_outgoing(socket: &OwnedFd) -> io::Result<()> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let outgoing = u32::from(libc::PACKET_OUTGOING);
    // SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h, a negative offset.
    let kind = (-0x1000_i32 + 4).cast_unsigned();
    let mut steps = [
        step(LOAD_BYTE, 0, 0, kind),
        step(JUMP_IF_EQUAL, 0, 1, outgoing),
        step(RETURN, 0, 0, u32::MAX),
        step(RETURN, 0, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: steps.as_mut_ptr(),
    };
    let length = socklen(size_of::<libc::sock_fprog>());
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    let pointer = (&raw const program).cast();
    // SAFETY: `program` names `len` steps, which live through the call, and the kernel copies them.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `BPF_LD | BPF_B | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K` and `BPF_RET | BPF_K` of linux/bpf_common.h.
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// On interface `index` (0: all of them); `protocol` is in network order.
#[expect(unsafe_code, reason = "there is no safe wrapper of sockaddr_ll")]
fn bind_packet_socket(socket: &OwnedFd, index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain old data, for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(17);
    address.sll_protocol = protocol;
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = socklen(size_of::<libc::sockaddr_ll>());
    // SAFETY: `address` lives through the call and `length` is its size.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "packet(7) options have no safe wrapper")]
fn set_option(socket: &OwnedFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let pointer: *const c_void = (&raw const value).cast();
    let length = socklen(size_of::<c_int>());
    // SAFETY: `pointer` is to a c_int that lives through the call and `length` is its size.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn socklen(size: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(size).unwrap_or(0)
}

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `ETHTOOL_STXCSUM` of `linux/ethtool.h`.
const SET_TX_CHECKSUM: u32 = 0x17;

/// Makes the kernel fill in every checksum before a frame leaves `interface`: a relay hands frames on byte by byte,
/// and offloaded checksums would stay unfinished.
#[expect(unsafe_code, reason = "SIOCETHTOOL has no safe wrapper")]
pub(crate) fn disable_checksum_offload(interface: &str) -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    let mut value = EthtoolValue {
        command: SET_TX_CHECKSUM,
        data: 0,
    };
    // SAFETY: ifreq is plain old data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    let room = request.ifr_name.len() - 1;
    if interface.len() > room {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: `request` names an ethtool_value that lives through the call, as ETHTOOL_STXCSUM asks.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

//! Numbers that nobody can guess, so that no stranger can answer a probe.

use std::io;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// So many random bytes. Waits for nothing: a kernel without entropy is an error.
pub(crate) fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // getrandom(2): up to 256 bytes come at once or not at all.
    let filled = getrandom(&mut bytes[..], GetRandomFlags::NONBLOCK)?;
    if filled == N {
        Ok(bytes)
    } else {
        Err(Errno::AGAIN.into())
    }
}

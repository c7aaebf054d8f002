//! All that the compiler cannot check.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

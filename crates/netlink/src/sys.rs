//! The one unsafe spot: neli's socket lends its descriptor only as a number.

use std::os::fd::{AsRawFd, BorrowedFd};

use neli::socket::NlSocket;

/// The socket's descriptor, for as long as the socket lives.
#[expect(unsafe_code, reason = "NlSocket implements AsRawFd but not AsFd")]
pub(crate) fn descriptor(socket: &NlSocket) -> BorrowedFd<'_> {
    // SAFETY: `socket` owns the descriptor and closes it only when dropped; the result borrows `socket`, so it
    // cannot outlive it. `NlSocket` is only built from a successful socket(2), so the number is never -1.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

//! Signals that ask this process to end, while it waits for a kernel that would outlive it.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGINT and SIGTERM, held back from now on by the calling thread, and by threads and programs that it starts.
#[derive(Debug)]
pub(super) struct Interrupt {
    mask: SigSet,
    signals: SignalFd,
}

impl Interrupt {
    pub(super) fn catch() -> io::Result<Self> {
        let mask = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&mask, flags)?;
        Ok(Self { mask, signals })
    }

    /// Has one come?
    pub(super) fn came(&self) -> bool {
        matches!(self.signals.read_signal(), Ok(Some(_)))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        // It cannot fail for a mask that could be set.
        let _free = self.mask.thread_unblock();
    }
}

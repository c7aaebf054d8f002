//! The signals that matter.

use std::io;
use std::marker::PhantomData;

use nix::sys::signal::{SIGHUP, SIGINT, SIGTERM, SigSet};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Hand over and end.
    End(&'static str),
    /// Read the configuration again.
    Reload,
}

#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received::End("SIGTERM"),
            _ = self.interrupt.recv() => Received::End("SIGINT"),
            _ = self.hangup.recv() => Received::Reload,
        }
    }
}

/// Signals wait, for as long as it is there, and with them the end: until then somebody has to be able to clean up.
#[derive(Debug)]
pub(crate) struct Held {
    /// It is about the thread that made it.
    _here: PhantomData<*const ()>,
}

impl Held {
    /// Those that this thread, and the threads that it starts, would get from now on.
    pub(crate) fn now() -> io::Result<Self> {
        set().thread_block()?;
        Ok(Self { _here: PhantomData })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let_through();
    }
}

/// This thread gets those that waited, even if they still wait elsewhere.
pub(crate) fn let_through() {
    // It fails only for sets that are none.
    let _ = set().thread_unblock();
}

fn set() -> SigSet {
    [SIGHUP, SIGINT, SIGTERM].into_iter().collect()
}

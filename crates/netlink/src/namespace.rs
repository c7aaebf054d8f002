//! Which network namespace a thread works in.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace: the one the calling thread is in (the default), or another one.
#[derive(Debug, Clone, Default)]
pub struct Namespace(Option<Arc<OwnedFd>>);

impl Namespace {
    /// The namespace that `path` refers to, such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::from(OwnedFd::from(File::open(path)?)))
    }

    /// The namespace that the calling thread is in now, to be entered later from another one.
    ///
    /// # Errors
    ///
    /// When `/proc` is not mounted.
    pub fn of_this_thread() -> io::Result<Self> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// Moves the calling thread into the namespace. Does nothing for the default.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` when the descriptor is not a network namespace.
    pub fn enter(&self) -> io::Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(descriptor) => {
                let kind = Some(LinkNameSpaceType::Network);
                Ok(move_into_link_name_space(descriptor.as_fd(), kind)?)
            }
        }
    }
}

impl From<OwnedFd> for Namespace {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Some(Arc::new(descriptor)))
    }
}

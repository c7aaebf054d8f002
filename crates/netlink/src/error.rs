//! What can go wrong with one request, and with the thread that makes them.

use std::io;

use thiserror::Error;

/// Why one request has no answer, or a bad one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The table changed under every attempt to dump it.
    #[error("the table kept changing while it was read")]
    Interrupted,
    /// The kernel answered with an error; [`io::Error::raw_os_error`] is its number. Nothing was done.
    #[error("the kernel refused the request")]
    Kernel(#[source] io::Error),
    /// The request never reached the kernel. Nothing was done.
    #[error("the request could not be sent")]
    NotSent(#[source] io::Error),
    /// The answer was lost (the receive buffer overflowed) or did not come in time: it may or may not have been done.
    #[error("the kernel's answer was lost")]
    Unknown,
}

impl RequestError {
    /// The kernel's error number, if the kernel answered.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(error) => error.raw_os_error(),
            Self::Interrupted | Self::NotSent(_) | Self::Unknown => None,
        }
    }
}

/// Why a [`Worker`](crate::Worker) did not run a job, or cannot say how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Too many jobs are waiting already; this one was not queued.
    #[error("too many requests are waiting for the kernel")]
    Busy,
    /// The thread is gone; the job may or may not have begun.
    #[error("the worker thread has stopped")]
    Stopped,
    /// The job was not done in time and may still run.
    #[error("the worker did not answer in time")]
    TimedOut,
}

//! One probe of one server, and how it can end.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use thiserror::Error;

use crate::socket::SocketOptions;

/// A way to find out whether a server does its work.
///
/// A check makes a single probe. Thresholds, the schedule and the timeout are the runner's: it drops the future of a
/// probe that took too long, and whatever the probe had begun must end with that.
#[async_trait]
pub trait HealthCheck: fmt::Debug + Send + Sync {
    /// Probes `target` once.
    ///
    /// # Errors
    ///
    /// What was wrong: with the target, or with this machine ([`CheckError::Local`]).
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError>;

    /// For a check that only finds out whether a connection by TCP would be accepted: where it leaves from. Then the
    /// runner may probe with a SYN by a raw socket, many with a system call, and without a call of
    /// [`check`](Self::check), which it falls back to where that is not possible, and after a probe that failed.
    fn half_open(&self) -> Option<&SocketOptions> {
        None
    }
}

/// What a server that passed said about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pass {
    /// The weight that it asks for; `None`: what is configured.
    pub weight: Option<u32>,
}

impl Pass {
    /// Passed, with nothing to say.
    #[must_use]
    pub const fn new() -> Self {
        Self { weight: None }
    }

    /// Passed, and asks for this weight.
    #[must_use]
    pub const fn with_weight(weight: u32) -> Self {
        Self {
            weight: Some(weight),
        }
    }
}

/// Why a probe did not pass.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The body of the answer is not what it should be.
    #[error("the body of the answer is not what it should be: {0}")]
    Body(BodyFault),
    /// The server's certificate is not to be trusted, or TLS failed otherwise.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// The server closed the connection before it had answered.
    #[error("the connection was closed early")]
    Closed,
    /// The program ended with this exit code.
    #[error("the program ended with exit code {0}")]
    ExitCode(i32),
    /// The program was ended by this signal.
    #[error("the program was ended by signal {0}")]
    Signal(i32),
    /// This machine could not probe: that says nothing of the server.
    #[error("this machine could not probe")]
    Local(#[source] io::Error),
    /// The answer breaks the rules of its protocol.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The connection was reset.
    #[error("connection reset")]
    Reset,
    /// The server answered with this status (HTTP) or response code (DNS).
    #[error("the server answered with status {0}")]
    Status(u16),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The server answered something else than it should.
    #[error("the server answered something else than it should: {0:?}")]
    Unexpected(Box<str>),
    /// The server cannot be reached.
    #[error("the server cannot be reached")]
    Unreachable,
    /// Another error of the connection.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// It has another digest.
    #[error("another digest")]
    Digest,
    /// What must be in it is not.
    #[error("no match")]
    NoMatch,
    /// It is longer than is read.
    #[error("too long")]
    TooLong,
    /// What must not be in it is.
    #[error("a match of what must not be there")]
    Unwanted,
}

impl CheckError {
    /// Says nothing of the server: this machine was at fault.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

impl From<io::Error> for CheckError {
    /// Tells errors of this machine (no descriptors, no memory, no permission, no route to a network, no such source
    /// address) from those of the server.
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(Errno::CONNREFUSED) => Self::Refused,
            Some(Errno::CONNRESET | Errno::PIPE) => Self::Reset,
            Some(Errno::TIMEDOUT) => Self::Timeout,
            Some(Errno::HOSTUNREACH | Errno::HOSTDOWN) => Self::Unreachable,
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRNOTAVAIL
                | Errno::ADDRINUSE
                | Errno::AFNOSUPPORT
                | Errno::PERM
                | Errno::ACCESS
                | Errno::NODEV
                | Errno::NETUNREACH
                | Errno::NETDOWN
                | Errno::AGAIN,
            ) => Self::Local(error),
            _ if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Connection(error),
        }
    }
}

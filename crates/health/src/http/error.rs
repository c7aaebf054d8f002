//! What can be wrong with settings of the check by HTTP, and with an exchange.

use std::error::Error;
use std::io;
use std::iter;

use thiserror::Error;

use crate::check::CheckError;
use crate::socket;
#[cfg(feature = "tls")]
use crate::tls::TlsConfigError;

/// Why settings of the check by HTTP cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpConfigError {
    /// The answer to `HEAD` has no body.
    #[error("rules for the body of an answer to HEAD, which has none")]
    BodyOfHead,
    /// There is nothing to look for in the body.
    #[error("what the body should have in it is empty")]
    Empty,
    /// Requests have no body, and this header would announce one.
    #[error("the header {0:?} is not for you to set: requests have no body")]
    Framing(Box<str>),
    /// This is not the name of a header, or its value cannot be one.
    #[error("the header {0:?} is not well-formed")]
    Header(Box<str>),
    /// The header `Host` cannot be this.
    #[error("{0:?} cannot be the header Host")]
    Host(Box<str>),
    /// This is not a method.
    #[error("{0:?} is not a method")]
    Method(Box<str>),
    /// There is nothing to request.
    #[error("no pages")]
    NoPages,
    /// No status passes for this page.
    #[error("no status passes for {0:?}")]
    NoStatus(Box<str>),
    /// This is not a path.
    #[error("{0:?} is not a path: it begins with /, and has no fragment and no blank")]
    Path(Box<str>),
    /// The regular expression is none, or too large.
    #[error("{pattern:?} cannot be used as a regular expression")]
    Regex {
        /// The expression.
        pattern: Box<str>,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No status is in this range.
    #[error("no status is from {0} to {1}")]
    StatusRange(u16, u16),
    /// The settings of TLS cannot be used.
    #[cfg(feature = "tls")]
    #[error("the settings of TLS cannot be used")]
    Tls(#[from] TlsConfigError),
}

/// What an error of an exchange means.
pub(super) fn failure(error: &hyper::Error) -> CheckError {
    if error.is_parse_version_h2() {
        CheckError::Malformed("HTTP/2 to a request of HTTP/1.1")
    } else if error.is_parse() {
        CheckError::Malformed("its head is not HTTP, or too long")
    } else if let Some(inner) = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()) {
        transport(inner)
    } else {
        // hyper has other errors for messages that are incomplete and connections that it gave up.
        CheckError::Closed
    }
}

fn causes(error: &hyper::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    iter::successors(Some(first), |&cause| cause.source())
}

/// What an error means that hyper lends, but does not give away.
fn transport(error: &io::Error) -> CheckError {
    #[cfg(feature = "tls")]
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        let inner: &rustls::Error = inner;
        return CheckError::Tls(io::Error::new(error.kind(), inner.clone()));
    }
    if let Some(errno) = error.raw_os_error() {
        return socket::failure(io::Error::from_raw_os_error(errno));
    }
    // hyper's own: these two for a body that is not chunked as it should be.
    if matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    ) {
        CheckError::Malformed("its body is not chunked as it should be")
    } else {
        socket::failure(error.kind().into())
    }
}

//! What can be wrong with settings of TLS, and with TLS itself.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

#[cfg(any(feature = "tcp", feature = "http"))]
use crate::check::CheckError;

/// Why settings of TLS cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The name of a protocol has no byte, or more than 255 (RFC 7301 §3.1).
    #[error("{0:?} is no name of a protocol (ALPN)")]
    Alpn(Box<str>),
    /// A certificate in this file cannot be used.
    #[error("a certificate in {} cannot be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The private key in this file cannot be used.
    #[error("the private key in {} cannot be used", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The private key does not belong to the certificate.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The library cannot be set up.
    #[error("TLS cannot be set up")]
    Library(#[source] Box<dyn Error + Send + Sync>),
    /// There is no certificate in this file.
    #[error("there is no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// There is no private key in this file.
    #[error("there is no private key in {}", .0.display())]
    NoKey(PathBuf),
    /// This machine has no authorities that it trusts.
    #[error(
        "this machine trusts no authority: install its certificates (Debian: ca-certificates), or name a file with them"
    )]
    NoRoots,
    /// This file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This is no name that a certificate could have.
    #[error("{0:?} is neither a host name nor an address")]
    ServerName(Box<str>),
    /// This file is not PEM as it should be.
    #[error("{} is not well-formed PEM", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Tells what TLS found wrong, which comes as an error of input and output, from what was wrong with the connection.
#[cfg(any(feature = "tcp", feature = "http"))]
pub(crate) fn from_io(error: io::Error) -> CheckError {
    if error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>())
    {
        CheckError::Tls(error)
    } else {
        error.into()
    }
}

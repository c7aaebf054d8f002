//! TLS for the checks that connect.
//!
//! The server's certificate is verified at each probe: sessions are not resumed, since a resumed one shows no
//! certificate, and one that has expired would go on passing.

#[cfg(any(feature = "tcp", feature = "http"))]
mod connector;
mod error;
#[cfg(any(feature = "tcp", feature = "http"))]
mod files;
#[cfg(any(feature = "tcp", feature = "http"))]
mod trust;

use std::path::PathBuf;

#[cfg(any(feature = "tcp", feature = "http"))]
pub(crate) use self::connector::Connector;
pub use self::error::TlsConfigError;
#[cfg(any(feature = "tcp", feature = "http"))]
pub(crate) use self::error::from_io;

/// Settings of TLS, versions 1.2 and 1.3. The server's certificate is verified unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The name in the server's certificate, also sent to it (SNI); `None`: its address.
    pub server_name: Option<String>,
    /// Whether its certificate is looked at.
    pub verify: Verify,
    /// Certificates of authorities to trust, PEM; `None`: those of this machine, read once in the life of the process.
    pub ca_file: Option<PathBuf>,
    /// What this machine shows.
    pub client: Option<ClientCertificate>,
    /// Protocols to offer (ALPN), such as `http/1.1`.
    pub alpn: Vec<String>,
}

/// Whether the server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Verify {
    /// It must be of a trusted authority, in time, and name the server.
    #[default]
    Full,
    /// **Dangerous**: anything will do, expired, of nobody known, for another name, even without its key. Only that
    /// something speaks TLS is shown; whoever is on the way can stand in for the server, and read what is sent.
    None,
}

/// A certificate to show, with its key. Both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a certificate and its key")]
pub struct ClientCertificate {
    /// The certificate, with those of intermediate authorities behind it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

//! TLS for the checks that connect.

use std::path::PathBuf;

/// Settings of TLS. The server's certificate is verified unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The name in the server's certificate, also sent to it (SNI); `None`: its address.
    pub server_name: Option<String>,
    /// Whether its certificate is looked at.
    pub verify: Verify,
    /// Certificates of authorities to trust, PEM; `None`: those of this machine.
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
    /// Anything will do: only that the server speaks TLS is shown.
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

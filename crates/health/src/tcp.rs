//! Connections, with what to send and to expect.

use crate::socket::SocketOptions;
#[cfg(feature = "tls")]
use crate::tls::TlsConfig;

/// Settings of the check by TCP.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct TcpConfig {
    /// Where the connection leaves from.
    pub socket: SocketOptions,
    /// With TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConfig>,
    /// What is said on the connection, in order; none: connecting is enough.
    pub steps: Vec<Step>,
}

/// A step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Reads until this is there.
    Expect(Pattern),
}

/// What is looked for in what the server sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pattern {
    /// These bytes, anywhere.
    Contains(Vec<u8>),
    /// These bytes, first.
    Prefix(Vec<u8>),
    /// A match of this regular expression of the crate `regex`, anywhere.
    Regex(String),
}

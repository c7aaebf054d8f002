//! HTTP/1.1 requests.

use crate::socket::SocketOptions;
#[cfg(feature = "tls")]
use crate::tls::TlsConfig;

/// Settings of the check by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Where the connection leaves from.
    pub socket: SocketOptions,
    /// With TLS (https).
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConfig>,
    /// The method, `GET` by default.
    pub method: String,
    /// The header `Host`; `None`: address and port of the target.
    pub host: Option<String>,
    /// More headers, name and value.
    pub headers: Vec<(String, String)>,
    /// What is requested, one after the other, each on its own connection; all must pass. By default only `/`.
    pub pages: Vec<Page>,
    /// How many bytes of a body are read at most; 1 MiB by default.
    pub body_limit: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            socket: SocketOptions::default(),
            #[cfg(feature = "tls")]
            tls: None,
            method: "GET".to_owned(),
            host: None,
            headers: Vec::new(),
            pages: vec![Page::new("/")],
            body_limit: 1 << 20,
        }
    }
}

/// One page and what makes its answer a good one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Page {
    /// The path, with the query.
    pub path: String,
    /// Ranges of statuses that pass; 200 to 299 by default.
    pub status: Vec<(u16, u16)>,
    /// What must be true of the body.
    pub body: Vec<BodyRule>,
}

impl Page {
    /// The page at `path`, with any status from 200 to 299.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            status: vec![(200, 299)],
            body: Vec::new(),
        }
    }
}

/// What must be true of a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyRule {
    /// It has this text in it.
    Contains(String),
    /// A regular expression of the crate `regex` matches.
    Matches(String),
    /// None matches.
    MatchesNot(String),
    /// It has this MD5 digest, as keepalived's `genhash` prints it.
    Md5([u8; 16]),
    /// It has this SHA-256 digest.
    Sha256([u8; 32]),
}

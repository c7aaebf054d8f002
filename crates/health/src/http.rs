//! HTTP/1.1 requests.
//!
//! Redirects are answers like others: they are not followed. The body of an answer is read only where something must
//! be true of it, and then to its end.

mod body;
mod error;
mod page;

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

pub use self::error::HttpConfigError;
use self::page::Ready;
use crate::check::{CheckError, HealthCheck, Pass};
use crate::socket::{self, Acknowledge, SocketOptions};
#[cfg(feature = "tls")]
use crate::tls::{self, TlsConfig};

const USER_AGENT: &str = concat!("locum-health/", env!("CARGO_PKG_VERSION"));

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
    /// More headers, name and value. Without one of its name, `User-Agent` is `locum-health` with its version.
    pub headers: Vec<(String, String)>,
    /// What is requested, one after the other, each on its own connection; all must pass. By default only `/`.
    pub pages: Vec<Page>,
    /// How many bytes of a body are read at most; 1 MiB by default. A longer one fails where something must be true of
    /// it.
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

/// Passes a server whose answers to all requests are good.
#[derive(Debug, Clone)]
pub struct HttpCheck {
    socket: SocketOptions,
    #[cfg(feature = "tls")]
    tls: Option<tls::Connector>,
    method: Method,
    headers: HeaderMap,
    pages: Vec<Ready>,
    body_limit: usize,
}

impl HttpCheck {
    /// Checks the settings, compiles their patterns and reads the files that they name.
    ///
    /// # Errors
    ///
    /// What cannot be used of them.
    pub fn new(config: HttpConfig) -> Result<Self, HttpConfigError> {
        let method = Method::from_bytes(config.method.as_bytes())
            .map_err(|_| HttpConfigError::Method(config.method.as_str().into()))?;
        let pages: Vec<_> = config
            .pages
            .iter()
            .map(Ready::new)
            .collect::<Result<_, _>>()?;
        if pages.is_empty() {
            return Err(HttpConfigError::NoPages);
        }
        if method == Method::HEAD && pages.iter().any(|page| !page.rules.is_empty()) {
            return Err(HttpConfigError::BodyOfHead);
        }
        Ok(Self {
            headers: headers(config.host.as_deref(), &config.headers)?,
            socket: config.socket,
            #[cfg(feature = "tls")]
            tls: config.tls.as_ref().map(tls::Connector::new).transpose()?,
            method,
            pages,
            body_limit: config.body_limit,
        })
    }

    fn request(
        &self,
        page: &Ready,
        target: SocketAddr,
    ) -> Result<Request<Empty<Bytes>>, CheckError> {
        let mut request = Request::new(Empty::new());
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&page.uri);
        request.headers_mut().clone_from(&self.headers);
        if !self.headers.contains_key(header::HOST) {
            // Without the scope that an IPv6 address may have, which no other machine understands.
            let host = SocketAddr::new(target.ip(), target.port()).to_string();
            let host = HeaderValue::try_from(host)
                .map_err(|error| CheckError::Local(io::Error::other(error)))?;
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(request)
    }

    async fn fetch(&self, page: &Ready, target: SocketAddr) -> Result<(), CheckError> {
        let request = self.request(page, target)?;
        let stream = socket::connect_with(&self.socket, target, Acknowledge::WithNext).await?;
        #[cfg(feature = "tls")]
        if let Some(connector) = &self.tls {
            let stream = connector.connect(stream, target).await?;
            return page.fetch(stream, request, self.body_limit).await;
        }
        page.fetch(stream, request, self.body_limit).await
    }
}

#[async_trait]
impl HealthCheck for HttpCheck {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        for page in &self.pages {
            self.fetch(page, target).await?;
        }
        Ok(Pass::new())
    }
}

/// All headers that do not depend on the target.
fn headers(host: Option<&str>, given: &[(String, String)]) -> Result<HeaderMap, HttpConfigError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let refused = || HttpConfigError::Header(name.as_str().into());
        let parsed = HeaderName::try_from(name).map_err(|_| refused())?;
        if parsed == header::CONTENT_LENGTH || parsed == header::TRANSFER_ENCODING {
            return Err(HttpConfigError::Framing(name.as_str().into()));
        }
        headers.append(parsed, HeaderValue::try_from(value).map_err(|_| refused())?);
    }
    if let Some(host) = host {
        let value = HeaderValue::try_from(host).map_err(|_| HttpConfigError::Host(host.into()))?;
        headers.insert(header::HOST, value);
    }
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    Ok(headers)
}

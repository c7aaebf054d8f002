//! Connections, with what to send and to expect.
//!
//! The connection is closed by a reset, so that what is sent last may not arrive unless something is expected after it.

mod conversation;
mod pattern;
mod preset;
mod reply;

use std::error::Error;
use std::net::SocketAddr;

use async_trait::async_trait;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use self::conversation::Move;
use crate::check::{CheckError, HealthCheck, Pass};
use crate::socket::{self, Acknowledge, SocketOptions};
#[cfg(feature = "tls")]
use crate::tls::{self, TlsConfig, TlsConfigError};

/// Settings of the check by TCP.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct TcpConfig {
    /// Where the connection leaves from.
    pub socket: SocketOptions,
    /// With TLS. Where no step is after the handshake, a server that refuses this machine's certificate may pass: with
    /// TLS 1.3 it says so later.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConfig>,
    /// What is said on the connection, in order; none: an answer to the attempt to connect is enough.
    pub steps: Vec<Step>,
}

/// A step of a conversation. A step that expects reads on from where the one before it was satisfied, and as much as
/// 16 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Reads until this is there.
    Expect(Pattern),
    /// Reads a reply of a code and text, on one line or more, as of FTP (RFC 959 §4.2) and SMTP (RFC 5321 §4.2.1): it
    /// must have this code.
    Reply(u16),
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

/// Why settings of the check by TCP cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TcpConfigError {
    /// No reply has this code.
    #[error("no reply has the code {0}: it has three digits, the first from 1 to 5")]
    Code(u16),
    /// There is nothing to look for, or to send.
    #[error("a step of the conversation is empty")]
    Empty,
    /// The regular expression is none, or too large.
    #[error("{pattern:?} cannot be used as a regular expression")]
    Regex {
        /// The expression.
        pattern: Box<str>,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The settings of TLS cannot be used.
    #[cfg(feature = "tls")]
    #[error("the settings of TLS cannot be used")]
    Tls(#[from] TlsConfigError),
}

/// Passes a server that accepts a connection, shakes hands if TLS is set, and holds the conversation of the settings.
///
/// Where there is nothing to say, the connection is reset as soon as the server's kernel has answered. Then the program
/// that listens sees nothing of it: it is not woken, and neither logs a broken connection nor counts one against this
/// machine, as some do.
#[derive(Debug, Clone)]
pub struct TcpCheck {
    socket: SocketOptions,
    #[cfg(feature = "tls")]
    tls: Option<tls::Connector>,
    moves: Vec<Move>,
}

impl TcpCheck {
    /// Checks the settings, compiles their patterns and reads the files that they name.
    ///
    /// # Errors
    ///
    /// What cannot be used of them.
    pub fn new(config: TcpConfig) -> Result<Self, TcpConfigError> {
        Ok(Self {
            socket: config.socket,
            #[cfg(feature = "tls")]
            tls: config.tls.as_ref().map(tls::Connector::new).transpose()?,
            moves: config
                .steps
                .into_iter()
                .map(Move::new)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Who speaks first decides.
    fn acknowledge(&self) -> Acknowledge {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return Acknowledge::WithNext;
        }
        match self.moves.first() {
            None | Some(Move::Send(_)) => Acknowledge::WithNext,
            Some(Move::Await(_)) => Acknowledge::AtOnce,
        }
    }

    async fn converse(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    ) -> Result<Pass, CheckError> {
        conversation::hold(&self.moves, &mut stream).await?;
        Ok(Pass::new())
    }
}

#[async_trait]
impl HealthCheck for TcpCheck {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        let stream = socket::connect_with(&self.socket, target, self.acknowledge()).await?;
        #[cfg(feature = "tls")]
        if let Some(connector) = &self.tls {
            return self
                .converse(connector.connect(stream, target).await?)
                .await;
        }
        self.converse(stream).await
    }

    fn half_open(&self) -> Option<&SocketOptions> {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return None;
        }
        self.moves.is_empty().then_some(&self.socket)
    }
}

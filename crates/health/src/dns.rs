//! Queries to DNS servers (RFC 1035).

mod answer;
mod query;
mod transport;

use std::net::SocketAddr;

use async_trait::async_trait;

use self::answer::{Completeness, NotOurs, Reply};
pub use self::query::DnsConfigError;
use self::query::Question;
use crate::check::{CheckError, HealthCheck, Pass};
use crate::random;
use crate::socket::SocketOptions;

/// Settings of the check by DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DnsConfig {
    /// Where the query leaves from.
    pub socket: SocketOptions,
    /// How it travels.
    pub transport: Transport,
    /// The name asked for; `.` by default.
    pub name: String,
    /// The type of record asked for; SOA by default.
    pub record: Record,
    /// The response codes that pass; 0 (no error) by default.
    pub codes: Vec<u8>,
    /// Whether the answer must have a record of that type; not by default.
    pub answer: Answer,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            socket: SocketOptions::default(),
            transport: Transport::Udp,
            name: ".".to_owned(),
            record: Record::SOA,
            codes: vec![0],
            answer: Answer::Optional,
        }
    }
}

/// How a query travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "RFC 1035 §4.2 has these two")]
pub enum Transport {
    /// In a datagram.
    #[default]
    Udp,
    /// On a connection.
    Tcp,
}

/// Whether a record must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Answer {
    /// The response code alone decides.
    #[default]
    Optional,
    /// At least one record of the type asked for, unless the answer says that it was cut to fit a datagram.
    Required,
}

/// A type of record, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record(u16);

impl Record {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// A name server.
    pub const NS: Self = Self(2);
    /// Another name.
    pub const CNAME: Self = Self(5);
    /// The start of a zone.
    pub const SOA: Self = Self(6);
    /// The name of an address.
    pub const PTR: Self = Self(12);
    /// A mail server.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// A service.
    pub const SRV: Self = Self(33);
    /// A signature.
    pub const RRSIG: Self = Self(46);
    /// A key.
    pub const DNSKEY: Self = Self(48);

    /// The type with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The check by DNS: passes when the server answers as it should.
#[derive(Debug, Clone)]
pub struct DnsCheck {
    config: DnsConfig,
    question: Question,
}

impl DnsCheck {
    /// A check with these settings.
    ///
    /// # Errors
    ///
    /// A name or a response code that there cannot be, or no response code that passes.
    pub fn new(config: DnsConfig) -> Result<Self, DnsConfigError> {
        if config.codes.is_empty() {
            return Err(DnsConfigError::NoCodes);
        }
        if let Some(code) = config.codes.iter().find(|code| **code > 15) {
            return Err(DnsConfigError::Code(*code));
        }
        let question = Question::new(&config)?;
        Ok(Self { config, question })
    }

    /// Whether an answer is a good one.
    fn judge(&self, reply: &Reply<'_>) -> Result<Pass, CheckError> {
        if !self.config.codes.contains(&reply.code) {
            return Err(CheckError::Status(reply.code.into()));
        }
        match (self.config.answer, reply.completeness) {
            (Answer::Optional, Completeness::Cut | Completeness::Whole)
            | (Answer::Required, Completeness::Cut) => Ok(Pass::new()),
            (Answer::Required, Completeness::Whole) => match reply.has_record(&self.question) {
                Ok(true) => Ok(Pass::new()),
                Ok(false) => Err(CheckError::Unexpected(
                    "no record of the type asked for".into(),
                )),
                Err(why) => Err(CheckError::Malformed(why)),
            },
        }
    }
}

#[async_trait]
impl HealthCheck for DnsCheck {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        let id = random::bytes().map_err(CheckError::Local)?;
        let query = self.question.message(id);
        match self.config.transport {
            Transport::Udp => {
                let socket = transport::datagrams(&self.config.socket, target)?;
                socket.send(&query).await?;
                loop {
                    let message = transport::datagram(&socket).await?;
                    match Reply::read(&message, id, &self.question) {
                        Ok(reply) => return self.judge(&reply),
                        Err(NotOurs::Malformed(why)) => return Err(CheckError::Malformed(why)),
                        Err(NotOurs::Stray) => {}
                    }
                }
            }
            Transport::Tcp => {
                let message = transport::exchange(&self.config.socket, target, &query).await?;
                match Reply::read(&message, id, &self.question) {
                    Ok(reply) => self.judge(&reply),
                    Err(NotOurs::Malformed(why)) => Err(CheckError::Malformed(why)),
                    // Nobody else can write into a connection.
                    Err(NotOurs::Stray) => Err(CheckError::Malformed("not an answer to the query")),
                }
            }
        }
    }
}

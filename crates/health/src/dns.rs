//! Queries to DNS servers (RFC 1035).

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
    /// At least one record of the type asked for.
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

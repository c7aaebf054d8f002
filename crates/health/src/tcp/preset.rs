//! Conversations that are usual.

use super::{Pattern, Step, TcpConfig};

impl TcpConfig {
    /// A server of FTP (RFC 959): it greets with 220, and takes leave with 221.
    #[must_use]
    pub fn ftp() -> Self {
        Self {
            steps: vec![
                Step::Reply(220),
                Step::Send(b"QUIT\r\n".to_vec()),
                Step::Reply(221),
            ],
            ..Self::default()
        }
    }

    /// A server of SMTP (RFC 5321): it greets with 220, takes `EHLO` of a machine of this name with 250, and takes leave
    /// with 221.
    #[must_use]
    pub fn smtp(helo: &str) -> Self {
        Self {
            steps: vec![
                Step::Reply(220),
                Step::Send(format!("EHLO {helo}\r\n").into_bytes()),
                Step::Reply(250),
                Step::Send(b"QUIT\r\n".to_vec()),
                Step::Reply(221),
            ],
            ..Self::default()
        }
    }

    /// A server of telnet (RFC 854): it says something. Most begin with a negotiation of options (`IAC`, 255), some with
    /// their banner, so that any first byte will do.
    #[must_use]
    pub fn telnet() -> Self {
        Self {
            steps: vec![Step::Expect(Pattern::Regex("(?s-u:.)".to_owned()))],
            ..Self::default()
        }
    }
}

//! Echo requests (RFC 792, RFC 4443).

use crate::socket::SocketOptions;

/// Settings of the check by echo request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct IcmpConfig {
    /// Where the request leaves from.
    pub socket: SocketOptions,
}

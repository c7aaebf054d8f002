//! The message, field by field. The versions differ in the second word and at the end:
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Type  | Virtual Rtr ID|   Priority    |  Addr Count   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Auth Type   |  Interval (s) |           Checksum            |  v2
//! | Rsvd  |     Interval (cs)     |           Checksum            |  v3
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  IPv4 or IPv6 addresses, count                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |             Authentication data, always 8 bytes               |  v2
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

/// Bytes before the addresses.
pub(crate) const HEADER_LEN: usize = 8;

/// Authentication data at the end of a v2 message, there whatever the type says (RFC 3768 §5.3.10).
pub(crate) const AUTH_DATA_LEN: usize = 8;

/// The authentication trailer behind a v3 message (draft-cassen-vrrp-auth-hmac).
pub(crate) const TRAILER_LEN: usize = 28;

/// The only packet type there is, ADVERTISEMENT (RFC 9568 §5.2.2).
pub(crate) const TYPE_ADVERTISEMENT: u8 = 1;

/// No authentication (RFC 2338 §5.3.6).
pub(crate) const AUTH_NONE: u8 = 0;
/// Simple text password (RFC 2338 §5.3.6).
pub(crate) const AUTH_PASSWORD: u8 = 1;
/// IP Authentication Header (RFC 2338 §5.3.6).
pub(crate) const AUTH_HEADER: u8 = 2;

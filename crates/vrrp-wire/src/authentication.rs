use core::fmt;

use thiserror::Error;

use crate::layout::{AUTH_DATA_LEN, AUTH_HEADER, AUTH_NONE, AUTH_PASSWORD};

/// How a message shows that it comes from a router of the group; the trailer of v3 is apart from it, see
/// [`HmacVerifier`](crate::HmacVerifier).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authentication {
    /// The packet around it has an IP Authentication Header, v2 only (RFC 2338 §5.3.6). The message says so, and proves
    /// nothing: see [`AhPacket::verify`](crate::AhPacket::verify).
    Header,
    /// It does not: the only way of RFC 3768 and of v3.
    #[default]
    None,
    /// A password in clear text, v2 only (RFC 2338 §5.3.6).
    Password(Password),
}

impl Authentication {
    /// The type and data fields of a v2 message.
    pub(crate) const fn wire(&self) -> (u8, [u8; AUTH_DATA_LEN]) {
        match self {
            Self::Header => (AUTH_HEADER, [0; AUTH_DATA_LEN]),
            Self::None => (AUTH_NONE, [0; AUTH_DATA_LEN]),
            Self::Password(password) => (AUTH_PASSWORD, password.0),
        }
    }
}

/// A v2 password: 1 to 8 bytes, filled up with zeros on the wire (RFC 2338 §5.3.10).
///
/// It guards against a misconfigured router, not against an attacker: everybody on the link can read it.
/// [`Debug`](fmt::Debug) does not show it, so that it does not end in a log as well. For the same reason
/// equality is a plain comparison, not one in constant time.
///
/// ```
/// use locum_vrrp_wire::Password;
///
/// let password = Password::new("s3cret12")?;
/// assert_eq!(format!("{password:?}"), "Password(..)");
/// assert!(Password::new("s3cret123").is_err());
/// # Ok::<(), locum_vrrp_wire::PasswordLength>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Password([u8; AUTH_DATA_LEN]);

/// A password that a message cannot carry, with its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a VRRPv2 password has 1 to 8 bytes, not {0}")]
#[non_exhaustive]
pub struct PasswordLength(pub usize);

impl Password {
    /// The password `password`.
    ///
    /// # Errors
    ///
    /// [`PasswordLength`] if it is empty or longer than 8 bytes. keepalived cuts a longer one silently: such a
    /// peer needs its first 8 bytes here.
    pub fn new(password: impl AsRef<[u8]>) -> Result<Self, PasswordLength> {
        let password = password.as_ref();
        let mut data = [0; AUTH_DATA_LEN];
        match data.get_mut(..password.len()) {
            Some(filled) if !filled.is_empty() => filled.copy_from_slice(password),
            Some(_) | None => return Err(PasswordLength(password.len())),
        }
        Ok(Self(data))
    }

    /// The password of the authentication data `data`.
    #[must_use]
    pub const fn from_wire(data: [u8; 8]) -> Self {
        Self(data)
    }

    /// The authentication data: the password, filled up with zeros.
    #[must_use]
    pub const fn to_wire(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

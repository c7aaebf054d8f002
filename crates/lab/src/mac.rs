//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// An Ethernet address.
///
/// ```
/// use locum_lab::Mac;
///
/// let mac: Mac = "00:00:5e:00:01:33".parse()?;
/// assert_eq!(mac.octets()[5], 51);
/// assert_eq!(mac.to_string(), "00:00:5e:00:01:33");
/// # Ok::<(), locum_lab::ParseMacError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The address of these six octets.
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Its six octets.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Not six pairs of hexadecimal digits with colons between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a hardware address is six pairs of hexadecimal digits with colons between them")]
#[non_exhaustive]
pub struct ParseMacError;

impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts
                .next()
                .filter(|part| part.len() == 2)
                .ok_or(ParseMacError)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        if parts.next().is_some() {
            Err(ParseMacError)
        } else {
            Ok(Self(octets))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mac, ParseMacError};

    #[test]
    fn reads_only_six_pairs() {
        assert_eq!(
            "02:00:00:00:00:ff".parse(),
            Ok(Mac::new([2, 0, 0, 0, 0, 255]))
        );
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:ff:00",
            "2:0:0:0:0:f",
            "zz:00:00:00:00:00",
        ] {
            assert_eq!(wrong.parse::<Mac>(), Err(ParseMacError), "{wrong}");
        }
    }
}

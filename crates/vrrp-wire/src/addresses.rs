use core::iter::FusedIterator;
use core::net::IpAddr;

/// Address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes of an address on the wire.
    pub(crate) const fn address_len(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

/// Iterator over the addresses of an advertisement, in their order on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> Addresses<'a> {
    /// Of whole addresses of `family`.
    pub(crate) const fn new(family: Family, bytes: &'a [u8]) -> Self {
        Self { family, bytes }
    }
}

impl Iterator for Addresses<'_> {
    type Item = IpAddr;

    fn next(&mut self) -> Option<IpAddr> {
        let (first, rest) = match self.family {
            Family::V4 => {
                let (first, rest) = self.bytes.split_first_chunk::<4>()?;
                (IpAddr::from(*first), rest)
            }
            Family::V6 => {
                let (first, rest) = self.bytes.split_first_chunk::<16>()?;
                (IpAddr::from(*first), rest)
            }
        };
        self.bytes = rest;
        Some(first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.bytes.len() / self.family.address_len();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Addresses<'_> {}
impl FusedIterator for Addresses<'_> {}

use core::iter::FusedIterator;
use core::net::IpAddr;

/// The addresses of a message as its bytes, all of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressBytes<'a> {
    V4(&'a [[u8; 4]]),
    V6(&'a [[u8; 16]]),
}

impl<'a> AddressBytes<'a> {
    pub(crate) const fn count(self) -> usize {
        match self {
            Self::V4(list) => list.len(),
            Self::V6(list) => list.len(),
        }
    }

    pub(crate) const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::V4(list) => list.as_flattened(),
            Self::V6(list) => list.as_flattened(),
        }
    }
}

/// Iterator over the addresses of an advertisement, in their order on the wire.
#[derive(Debug, Clone)]
pub struct Addresses<'a>(AddressBytes<'a>);

impl<'a> Addresses<'a> {
    pub(crate) const fn new(bytes: AddressBytes<'a>) -> Self {
        Self(bytes)
    }
}

impl Iterator for Addresses<'_> {
    type Item = IpAddr;

    fn next(&mut self) -> Option<IpAddr> {
        match &mut self.0 {
            AddressBytes::V4(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(IpAddr::from(*first))
            }
            AddressBytes::V6(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(IpAddr::from(*first))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.count(), Some(self.0.count()))
    }
}

impl ExactSizeIterator for Addresses<'_> {}
impl FusedIterator for Addresses<'_> {}

//! Attributes: a length, a type and a payload, each padded to four bytes.

/// Each attribute begins with two 16-bit words: its length (with this header) and its type.
pub(crate) const HEADER: usize = 4;

/// The two top bits of the type: "nested" and "network byte order".
const KIND_MASK: u16 = 0x3fff;

/// The next multiple of four.
pub(crate) const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// One attribute as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    kind: u16,
    payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Its type, without the "nested" and "network byte order" bits.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// Its bytes.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload as exactly `N` bytes, such as an address.
    #[must_use]
    pub fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.payload.try_into().ok()
    }

    /// The payload as one byte.
    #[must_use]
    pub fn u8(&self) -> Option<u8> {
        self.array().map(u8::from_ne_bytes)
    }

    /// The payload as a 16-bit number in the machine's byte order.
    #[must_use]
    pub fn u16(&self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    /// The payload as a 32-bit number in the machine's byte order.
    #[must_use]
    pub fn u32(&self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The payload as text, without the NUL that ends it.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        let end = self
            .payload
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.payload.len());
        std::str::from_utf8(self.payload.get(..end)?).ok()
    }

    /// The attributes nested in the payload.
    #[must_use]
    pub const fn nested(&self) -> Attributes<'a> {
        Attributes { rest: self.payload }
    }
}

/// The attributes in `bytes`, up to the first one that does not fit.
#[must_use]
pub const fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// Iterates over attributes; ends at the first one that does not fit.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, _) = self.rest.split_first_chunk::<HEADER>()?;
        let [length_low, length_high, kind_low, kind_high] = *head;
        let length = usize::from(u16::from_ne_bytes([length_low, length_high]));
        let kind = u16::from_ne_bytes([kind_low, kind_high]) & KIND_MASK;
        let payload = self.rest.get(HEADER..length)?;
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Attribute { kind, payload })
    }
}

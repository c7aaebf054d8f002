//! The Internet checksum (RFC 1071) of a message, which is always whole 32-bit words.

/// What a checksum covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RFC 5798 and RFC 9568 leave these two readings"
)]
pub enum ChecksumForm {
    /// The pseudo-header and the message: v3 over IPv6 always, and over IPv4 as RFC 5798 §5.2.8 says and
    /// keepalived and FRR do.
    #[default]
    PseudoHeader,
    /// The message alone: v2 always, and v3 over IPv4 as RFC 9568 §5.2.8 says.
    MessageOnly,
}

/// A sum on its way to a checksum, in the byte order of this machine: the fold at the end makes it big-endian.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum(u64);

impl Sum {
    pub(crate) const ZERO: Self = Self(0);

    #[inline]
    pub(crate) const fn word(self, word: [u8; 4]) -> Self {
        Self(self.0 + u32::from_ne_bytes(word) as u64)
    }

    /// Adds the whole words of `bytes`.
    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks();
        debug_assert!(rest.is_empty(), "every part of a message is whole words");
        words.iter().fold(self, |sum, word| sum.word(*word))
    }

    /// What belongs into the checksum field.
    #[inline]
    pub(crate) fn checksum(self) -> [u8; 2] {
        (!self.folded()).to_ne_bytes()
    }

    /// Is `found` right for everything else that was added?
    ///
    /// Decided by adding it up as RFC 1071 says, so that both zeros of ones' complement are right.
    #[inline]
    pub(crate) fn verifies(self, found: [u8; 2]) -> bool {
        Self(self.0 + u64::from(u16::from_ne_bytes(found))).folded() == u16::MAX
    }

    /// Halves the sum twice, adding the carry out of each half again.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "to the lower half")]
    const fn folded(self) -> u16 {
        let (sum, carry) = (self.0 as u32).overflowing_add((self.0 >> 32) as u32);
        let sum = sum + carry as u32;
        let (sum, carry) = (sum as u16).overflowing_add((sum >> 16) as u16);
        sum + carry as u16
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Sum;

    /// RFC 1071 §4.1, big-endian halves with the carry added at once.
    fn reference(bytes: &[u8]) -> u16 {
        !bytes.as_chunks::<2>().0.iter().fold(0_u16, |sum, half| {
            let (sum, carry) = sum.overflowing_add(u16::from_be_bytes(*half));
            sum + u16::from(carry)
        })
    }

    #[test]
    fn rfc_1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::ZERO.bytes(&bytes).checksum(), [0x22, 0x0d]);
    }

    #[test]
    fn both_zeros_verify() {
        let sum = Sum::ZERO.word([0xff, 0xff, 0, 0]);
        assert_eq!(sum.checksum(), [0, 0]);
        assert!(sum.verifies([0, 0]) && sum.verifies([0xff, 0xff]));
    }

    #[test]
    fn carries_of_the_largest_message_are_kept() {
        let bytes = vec![0xff; 4096];
        assert_eq!(Sum::ZERO.bytes(&bytes).checksum(), [0, 0]);
    }

    proptest! {
        #[test]
        fn equals_the_reference(words in prop::collection::vec(any::<[u8; 4]>(), 0..1024)) {
            let bytes = words.as_flattened();
            let checksum = Sum::ZERO.bytes(bytes).checksum();
            prop_assert_eq!(u16::from_be_bytes(checksum), reference(bytes));
            prop_assert!(Sum::ZERO.bytes(bytes).verifies(checksum));
        }
    }
}

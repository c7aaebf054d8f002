//! What is asked (RFC 1035 §4.1).

use thiserror::Error;

use super::{DnsConfig, Record};

/// RFC 1035 §4.1.1: the header has six numbers of two bytes.
pub(super) const HEADER: usize = 12;

/// RFC 1035 §3.2.4: the Internet.
const CLASS_IN: u16 = 1;

/// Why settings of the check by DNS make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DnsConfigError {
    /// The name has a character that is no printable ASCII, or a backslash.
    #[error("the name has a character that names do not have")]
    Character,
    /// A response code does not fit into its four bits.
    #[error("{0} is no response code: the largest is 15")]
    Code(u8),
    /// Two dots in a row, or a dot at the beginning.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// More than 63 bytes between two dots.
    #[error("the name has a label of more than 63 bytes")]
    LabelTooLong,
    /// More than 255 bytes, as it is sent.
    #[error("the name is longer than 255 bytes")]
    NameTooLong,
    /// No answer could pass.
    #[error("no response code passes")]
    NoCodes,
}

/// A question, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// As it is sent, without type and class.
    name: Vec<u8>,
    record: Record,
}

impl Question {
    pub(super) fn new(config: &DnsConfig) -> Result<Self, DnsConfigError> {
        Ok(Self {
            name: encode(&config.name)?,
            record: config.record,
        })
    }

    /// How many bytes of a message it takes.
    pub(super) fn length(&self) -> usize {
        self.name.len() + 4
    }

    /// The message that asks it.
    pub(super) fn message(&self, id: [u8; 2]) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEADER + self.length());
        message.extend(id);
        // A standard query, recursion desired: servers that do none ignore it.
        message.extend([0x01, 0x00]);
        // One question, nothing else.
        message.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend(&self.name);
        message.extend(self.tail());
        message
    }

    fn tail(&self) -> [u8; 4] {
        let [type_high, type_low] = self.record.number().to_be_bytes();
        let [class_high, class_low] = CLASS_IN.to_be_bytes();
        [type_high, type_low, class_high, class_low]
    }

    /// Whether `section`, at the beginning, repeats it. A name is the same in capitals (RFC 4343).
    pub(super) fn is_repeated_by(&self, section: &[u8]) -> bool {
        section
            .split_at_checked(self.name.len())
            .is_some_and(|(name, rest)| {
                name.eq_ignore_ascii_case(&self.name) && rest.starts_with(&self.tail())
            })
    }

    /// Whether a record of `kind` and `class` is of the type asked for.
    pub(super) fn wants(&self, kind: u16, class: u16) -> bool {
        // RFC 1035 §3.2.3: 255 asks for all.
        const ANY: u16 = 255;
        class == CLASS_IN && (kind == self.record.number() || self.record.number() == ANY)
    }
}

/// RFC 1035 §3.1: each label behind its length, and the empty one of the root at the end.
fn encode(name: &str) -> Result<Vec<u8>, DnsConfigError> {
    let mut encoded = Vec::with_capacity(name.len() + 2);
    let name = name.strip_suffix('.').unwrap_or(name);
    if !name.is_empty() {
        for label in name.split('.') {
            encoded.push(length(label)?);
            encoded.extend(label.bytes());
        }
    }
    encoded.push(0);
    // RFC 1035 §2.3.4.
    if encoded.len() > 255 {
        return Err(DnsConfigError::NameTooLong);
    }
    Ok(encoded)
}

fn length(label: &str) -> Result<u8, DnsConfigError> {
    if label.is_empty() {
        return Err(DnsConfigError::EmptyLabel);
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if !label.bytes().all(plain) {
        return Err(DnsConfigError::Character);
    }
    // The two highest bits are those of a pointer: RFC 1035 §4.1.4.
    match u8::try_from(label.len()) {
        Ok(length) if length <= 63 => Ok(length),
        _ => Err(DnsConfigError::LabelTooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, record: Record) -> Question {
        Question::new(&DnsConfig {
            name: name.to_owned(),
            record,
            ..DnsConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn a_query_has_the_bytes_of_the_rfc() {
        let message = question("www.Example.org", Record::AAAA).message([0xab, 0xcd]);
        let expected = b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
            \x03www\x07Example\x03org\x00\x00\x1c\x00\x01";
        assert_eq!(message, expected);
    }

    #[test]
    fn the_root_is_an_empty_name() {
        let message = question(".", Record::SOA).message([0, 1]);
        assert_eq!(message[HEADER..], [0, 0, 6, 0, 1]);
        assert_eq!(question("", Record::SOA), question(".", Record::SOA));
    }

    #[test]
    fn a_dot_at_the_end_changes_nothing() {
        assert_eq!(encode("a.b."), encode("a.b"));
    }

    #[test]
    fn names_that_cannot_be_sent_are_refused() {
        let long = "a".repeat(64);
        for (name, error) in [
            ("a..b", DnsConfigError::EmptyLabel),
            (".a", DnsConfigError::EmptyLabel),
            ("..", DnsConfigError::EmptyLabel),
            ("a b", DnsConfigError::Character),
            ("ä", DnsConfigError::Character),
            (r"a\.b", DnsConfigError::Character),
            (&long, DnsConfigError::LabelTooLong),
        ] {
            assert_eq!(encode(name), Err(error), "{name}");
        }
        assert!(encode(&long[1..]).is_ok());
    }

    #[test]
    fn a_name_has_255_bytes_at_most() {
        // 127 labels of two bytes each and the root make 255.
        let longest = ["a"; 127].join(".");
        assert_eq!(encode(&longest).map(|name| name.len()), Ok(255));
        let longer = format!("a{longest}");
        assert_eq!(encode(&longer), Err(DnsConfigError::NameTooLong));
    }

    #[test]
    fn an_answer_repeats_the_question_in_any_case() {
        let question = question("www.example.org", Record::A);
        let section = b"\x03WWW\x07example\x03oRg\x00\x00\x01\x00\x01and more";
        assert!(question.is_repeated_by(section));
        for byte in [1, 5, 17, 18, 20] {
            let mut other = section.to_vec();
            other[byte] ^= 1;
            assert!(!question.is_repeated_by(&other), "byte {byte}");
        }
        assert!(!question.is_repeated_by(&section[..question.length() - 1]));
    }
}

//! Patterns made ready.

use std::fmt::Write as _;

use regex::bytes::Regex;

use super::{Pattern, TcpConfigError};

/// What has come of what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there and ends here.
    End(usize),
    /// It may still come.
    NotYet,
    /// It cannot come any more.
    Never,
}

/// A pattern made ready.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    Prefix(Vec<u8>),
    Regex(Regex),
}

impl Matcher {
    pub(super) fn new(pattern: Pattern) -> Result<Self, TcpConfigError> {
        match pattern {
            Pattern::Contains(bytes) | Pattern::Prefix(bytes) if bytes.is_empty() => {
                Err(TcpConfigError::Empty)
            }
            Pattern::Contains(bytes) => compile(&literal(&bytes)),
            Pattern::Prefix(bytes) => Ok(Self::Prefix(bytes)),
            Pattern::Regex(text) => compile(&text),
        }
    }

    /// Looks for it in what has been received.
    pub(super) fn find(&self, received: &[u8]) -> Found {
        match self {
            Self::Prefix(prefix) if received.starts_with(prefix) => Found::End(prefix.len()),
            Self::Prefix(prefix) if prefix.starts_with(received) => Found::NotYet,
            Self::Prefix(_) => Found::Never,
            Self::Regex(regex) => regex
                .find(received)
                .map_or(Found::NotYet, |found| Found::End(found.end())),
        }
    }
}

fn compile(text: &str) -> Result<Matcher, TcpConfigError> {
    Regex::new(text)
        .map(Matcher::Regex)
        .map_err(|error| TcpConfigError::Regex {
            pattern: text.into(),
            source: error.into(),
        })
}

/// The expression that matches these bytes and nothing else.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::from("(?-u:");
    for byte in bytes {
        // Writing to a `String` does not fail.
        let _ = write!(text, r"\x{byte:02x}");
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Found, Matcher};
    use crate::tcp::{Pattern, TcpConfigError};

    #[test]
    fn a_pattern_is_found_where_it_ends() {
        let contains = Pattern::Contains(b"a.\xff".to_vec());
        let prefix = Pattern::Prefix(b"+OK".to_vec());
        let regex = Pattern::Regex("v[0-9]+;".to_owned());
        for (pattern, received, expected) in [
            (&contains, &b"xa.\xffy"[..], Found::End(4)),
            (&contains, b"xab\xffy", Found::NotYet),
            (&contains, b"", Found::NotYet),
            (&prefix, b"+OK ready", Found::End(3)),
            (&prefix, b"+O", Found::NotYet),
            (&prefix, b"-ERR", Found::Never),
            (&prefix, b"-", Found::Never),
            (&regex, b"at v12; on", Found::End(7)),
            (&regex, b"at v12", Found::NotYet),
        ] {
            let matcher = Matcher::new(pattern.clone()).unwrap();
            assert_eq!(matcher.find(received), expected, "{pattern:?} {received:?}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_used_are_refused() {
        for pattern in [Pattern::Contains(vec![]), Pattern::Prefix(vec![])] {
            assert!(matches!(Matcher::new(pattern), Err(TcpConfigError::Empty)));
        }
        let error = Matcher::new(Pattern::Regex("(".to_owned())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"(\" cannot be used as a regular expression"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_found_among_any_others(
            before in proptest::collection::vec(any::<u8>(), 0..8),
            bytes in proptest::collection::vec(any::<u8>(), 1..8),
            after in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let matcher = Matcher::new(Pattern::Contains(bytes.clone())).unwrap();
            let received = [&before[..], &bytes, &after].concat();
            let first = received.windows(bytes.len()).position(|window| window == bytes).unwrap();
            prop_assert_eq!(matcher.find(&received), Found::End(first + bytes.len()));
        }
    }
}

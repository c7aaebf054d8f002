//! Replies of a code and text (RFC 959 §4.2, RFC 5321 §4.2.1).

use std::str;

/// What has come of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// All of it, with this code, in so many bytes.
    Complete {
        /// The code.
        code: u16,
        /// Its length.
        length: usize,
    },
    /// A part.
    Incomplete,
    /// It is none.
    Malformed,
}

impl Reply {
    /// Looks at what has been received: a line `220 text`, or lines from `220-text` to the first `220 text`. Within
    /// them FTP allows lines of any form.
    pub(super) fn read(received: &[u8]) -> Self {
        let mut opening = None;
        let mut length = 0;
        for line in received.split_inclusive(|&byte| byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            length += line.len();
            let parsed = code(text.strip_suffix(b"\r").unwrap_or(text));
            match (opening, parsed) {
                (None, None) => return Self::Malformed,
                (None, Some((code, More::Follow))) => opening = Some(code),
                (None, Some((code, More::Last))) => return Self::Complete { code, length },
                (Some(first), Some((code, More::Last))) if code == first => {
                    return Self::Complete { code, length };
                }
                (Some(_), _) => {}
            }
        }
        Self::Incomplete
    }
}

/// Whether more lines follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Follow,
    Last,
}

/// The code at the start of a line.
fn code(line: &[u8]) -> Option<(u16, More)> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let more = match rest.first() {
        // RFC 5321 §4.2: a code alone is taken too.
        None | Some(b' ') => More::Last,
        Some(b'-') => More::Follow,
        Some(_) => return None,
    };
    let code = str::from_utf8(digits).ok()?.parse().ok()?;
    Some((code, more))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Reply;

    fn complete(code: u16, length: usize) -> Reply {
        Reply::Complete { code, length }
    }

    #[test]
    fn replies_end_where_the_standards_say() {
        for (text, expected) in [
            ("220 ready\r\n", complete(220, 11)),
            ("220 ready\n", complete(220, 10)),
            ("220\r\n", complete(220, 5)),
            ("421 busy\r\n", complete(421, 10)),
            ("220 ready\r\n331 more", complete(220, 11)),
            ("220-a\r\n220 b\r\n", complete(220, 14)),
            (
                "220-a\r\n any form\r\n221 not it\r\n220 b\r\n",
                complete(220, 37),
            ),
            ("220-a\r\n220-b\r\n", Reply::Incomplete),
            ("220 rea", Reply::Incomplete),
            ("22", Reply::Incomplete),
            ("", Reply::Incomplete),
            ("hello\r\n", Reply::Malformed),
            ("22\r\n", Reply::Malformed),
            ("2200 x\r\n", Reply::Malformed),
            ("22x x\r\n", Reply::Malformed),
            ("\r\n", Reply::Malformed),
        ] {
            assert_eq!(Reply::read(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_reply_is_the_same_whatever_follows_it(
            lines in proptest::collection::vec("[0-9 a-z-]{0,6}\r?\n?", 0..6),
            behind in "\\PC*",
        ) {
            let text = lines.concat();
            let before = Reply::read(text.as_bytes());
            if before != Reply::Incomplete {
                prop_assert_eq!(Reply::read(format!("{text}{behind}").as_bytes()), before);
            }
        }
    }
}

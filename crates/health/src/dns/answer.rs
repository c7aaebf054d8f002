//! What came back (RFC 1035 §4.1).

use super::query::{HEADER, Question};

/// A message that is an answer to our query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    /// The response code: RFC 1035 §4.1.1.
    pub(super) code: u8,
    /// Whether it was cut short.
    pub(super) completeness: Completeness,
    /// How many records the answer section should have.
    records: u16,
    /// What is behind the question.
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    Cut,
    Whole,
}

/// What a message is, if not an answer to our query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOurs {
    /// It has the right identifier, but breaks the rules.
    Malformed(&'static str),
    /// A stranger's, or a late one.
    Stray,
}

impl<'a> Reply<'a> {
    pub(super) fn read(
        message: &'a [u8],
        id: [u8; 2],
        question: &Question,
    ) -> Result<Self, NotOurs> {
        let Some((header, rest)) = message.split_first_chunk::<HEADER>() else {
            return Err(NotOurs::Stray);
        };
        let [
            id_high,
            id_low,
            flags,
            code,
            questions @ ..,
            a,
            b,
            _,
            _,
            _,
            _,
        ] = *header;
        let questions = u16::from_be_bytes(questions);
        // An answer (the highest bit) to a standard query (the four after it).
        if [id_high, id_low] != id || flags & 0xf8 != 0x80 {
            return Err(NotOurs::Stray);
        }
        let code = code & 0x0f;
        let rest = match questions {
            // Servers that could not, or would not, read the question need not repeat it.
            0 if code != 0 => rest,
            1 if question.is_repeated_by(rest) => rest.get(question.length()..).unwrap_or_default(),
            1 => return Err(NotOurs::Stray),
            _ => return Err(NotOurs::Malformed("not one question")),
        };
        let completeness = if flags & 0x02 == 0 {
            Completeness::Whole
        } else {
            Completeness::Cut
        };
        Ok(Self {
            code,
            completeness,
            records: u16::from_be_bytes([a, b]),
            rest,
        })
    }

    /// Whether the answer section has a record that the question wants. Its name may be another: that of an alias.
    pub(super) fn has_record(&self, question: &Question) -> Result<bool, &'static str> {
        let mut rest = self.rest;
        for _ in 0..self.records {
            let record = after_name(rest)
                .and_then(record)
                .ok_or("a record is not whole")?;
            if question.wants(record.kind, record.class) {
                return Ok(true);
            }
            rest = record.rest;
        }
        Ok(false)
    }
}

struct RecordHead<'a> {
    kind: u16,
    class: u16,
    rest: &'a [u8],
}

/// RFC 1035 §4.1.3: type, class, time to live, length of the data, data.
fn record(bytes: &[u8]) -> Option<RecordHead<'_>> {
    let (head, rest) = bytes.split_first_chunk::<10>()?;
    let [t1, t2, c1, c2, _, _, _, _, l1, l2] = *head;
    let length = usize::from(u16::from_be_bytes([l1, l2]));
    Some(RecordHead {
        kind: u16::from_be_bytes([t1, t2]),
        class: u16::from_be_bytes([c1, c2]),
        rest: rest.get(length..)?,
    })
}

/// What is behind the name at the beginning of `bytes`. A pointer ends a name (RFC 1035 §4.1.4) and is not followed,
/// so that there is no way around in circles.
fn after_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, rest) = bytes.split_first()?;
        match length {
            0 => return Some(rest),
            1..=63 => bytes = rest.get(usize::from(length)..)?,
            0xc0..=0xff => return rest.get(1..),
            // Reserved.
            64..=0xbf => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{DnsConfig, Record};
    use super::*;

    const ID: [u8; 2] = [0xab, 0xcd];

    fn question(record: Record) -> Question {
        Question::new(&DnsConfig {
            name: "www.example.org".to_owned(),
            record,
            ..DnsConfig::default()
        })
        .unwrap()
    }

    /// An alias and an address behind it, compressed as servers do (RFC 1035 §4.1.4).
    const ALIAS: &[u8] = b"\xab\xcd\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\
        \x03www\x07example\x03org\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x05\x00\x01\x00\x00\x0e\x10\x00\x06\x03srv\xc0\x10\
        \xc0\x2d\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc0\x00\x02\x01";

    fn changed(byte: usize, to: u8) -> Vec<u8> {
        let mut message = ALIAS.to_vec();
        message[byte] = to;
        message
    }

    #[test]
    fn the_record_behind_an_alias_is_found() {
        for (record, found) in [
            (Record::A, true),
            (Record::AAAA, false),
            (Record::CNAME, true),
            (Record::new(255), true),
        ] {
            let asked = question(record);
            let [_, low] = record.number().to_be_bytes();
            let message = changed(12 + 17 + 1, low);
            let reply = Reply::read(&message, ID, &asked).unwrap();
            assert_eq!((reply.code, reply.completeness), (0, Completeness::Whole));
            assert_eq!(reply.has_record(&asked), Ok(found), "{record:?}");
        }
    }

    #[test]
    fn other_messages_are_strays() {
        let asked = question(Record::A);
        let read = |message: &[u8]| Reply::read(message, ID, &asked).map(|reply| reply.code);
        assert_eq!(read(ALIAS), Ok(0));
        assert_eq!(read(&changed(1, 0)), Err(NotOurs::Stray), "identifier");
        assert_eq!(read(&changed(2, 0x01)), Err(NotOurs::Stray), "a query");
        assert_eq!(read(&changed(2, 0xa1)), Err(NotOurs::Stray), "a notify");
        assert_eq!(read(&changed(13, b'x')), Err(NotOurs::Stray), "a name");
        assert_eq!(read(&ALIAS[..11]), Err(NotOurs::Stray), "a header cut");
    }

    #[test]
    fn only_an_error_may_leave_the_question_out() {
        let asked = question(Record::A);
        let mut header = ALIAS[..HEADER].to_vec();
        header[5] = 0;
        let none = Reply::read(&header, ID, &asked);
        assert_eq!(none, Err(NotOurs::Malformed("not one question")));
        header[3] |= 5;
        assert_eq!(Reply::read(&header, ID, &asked).unwrap().code, 5);
        let two = changed(5, 2);
        let two = Reply::read(&two, ID, &asked);
        assert_eq!(two, Err(NotOurs::Malformed("not one question")));
    }

    #[test]
    fn a_cut_answer_says_so() {
        let asked = question(Record::A);
        let message = changed(2, 0x83);
        let reply = Reply::read(&message, ID, &asked).unwrap();
        assert_eq!(reply.completeness, Completeness::Cut);
    }

    #[test]
    fn records_that_are_not_whole_are_no_records() {
        let asked = question(Record::AAAA);
        let mut message = ALIAS.to_vec();
        message[12 + 17 + 1] = 28;
        for length in 12 + asked.length()..message.len() {
            let reply = Reply::read(&message[..length], ID, &asked).unwrap();
            assert!(reply.has_record(&asked).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_pointer_to_itself_leads_nowhere() {
        let asked = question(Record::AAAA);
        let mut message = ALIAS.to_vec();
        message[12 + 17 + 1] = 28;
        // The first record's name points at itself.
        message[33..35].copy_from_slice(&[0xc0, 33]);
        let reply = Reply::read(&message, ID, &asked).unwrap();
        assert_eq!(reply.has_record(&asked), Ok(false));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(rest in prop::collection::vec(any::<u8>(), 0..600)) {
            let asked = question(Record::AAAA);
            let _ = Reply::read(&rest, ID, &asked);
            // Behind a header and a question that fit, with as many records as can be.
            let mut message = asked.message(ID);
            message[2] |= 0x80;
            message[6..8].copy_from_slice(&[0xff, 0xff]);
            message.extend(&rest);
            let reply = Reply::read(&message, ID, &asked);
            prop_assert!(reply.is_ok());
            if let Ok(reply) = reply {
                let _ = reply.has_record(&asked);
            }
        }

        #[test]
        fn a_changed_answer_does_no_harm(at in 0..ALIAS.len(), to in any::<u8>()) {
            let asked = question(Record::A);
            if let Ok(reply) = Reply::read(&changed(at, to), ID, &asked) {
                let _ = reply.has_record(&asked);
            }
        }
    }
}

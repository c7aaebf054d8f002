//! What must be true of bodies.

use md5::Md5;
use regex::bytes::Regex;
use sha2::Sha256;
use sha2::digest::Digest as _;

use super::{BodyRule, HttpConfigError};
use crate::check::BodyFault;

/// Rules made ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    texts: Vec<(Regex, Wanted)>,
    md5: Vec<[u8; 16]>,
    sha256: Vec<[u8; 32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Match,
    NoMatch,
}

impl Rules {
    pub(super) fn new(rules: &[BodyRule]) -> Result<Self, HttpConfigError> {
        let mut all = Self::default();
        for rule in rules {
            match rule {
                BodyRule::Contains(text) if text.is_empty() => return Err(HttpConfigError::Empty),
                BodyRule::Contains(text) => all
                    .texts
                    .push((compile(&regex::escape(text))?, Wanted::Match)),
                BodyRule::Matches(pattern) => all.texts.push((compile(pattern)?, Wanted::Match)),
                BodyRule::MatchesNot(pattern) => {
                    all.texts.push((compile(pattern)?, Wanted::NoMatch));
                }
                BodyRule::Md5(digest) => all.md5.push(*digest),
                BodyRule::Sha256(digest) => all.sha256.push(*digest),
            }
        }
        Ok(all)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.md5.is_empty() && self.sha256.is_empty()
    }

    /// Begins to look at a body, of which `limit` bytes are read.
    pub(super) fn examine(&self, limit: usize) -> Examination<'_> {
        Examination {
            rules: self,
            room: limit,
            kept: Vec::new(),
            md5: (!self.md5.is_empty()).then(Md5::new),
            sha256: (!self.sha256.is_empty()).then(Sha256::new),
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, HttpConfigError> {
    Regex::new(pattern).map_err(|error| HttpConfigError::Regex {
        pattern: pattern.into(),
        source: error.into(),
    })
}

/// A body as it comes in. It is kept only where its text matters.
#[derive(Debug)]
pub(super) struct Examination<'a> {
    rules: &'a Rules,
    room: usize,
    kept: Vec<u8>,
    md5: Option<Md5>,
    sha256: Option<Sha256>,
}

impl Examination<'_> {
    /// Takes the next part.
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), BodyFault> {
        self.room = self
            .room
            .checked_sub(part.len())
            .ok_or(BodyFault::TooLong)?;
        if let Some(md5) = &mut self.md5 {
            md5.update(part);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(part);
        }
        if !self.rules.texts.is_empty() {
            self.kept.extend_from_slice(part);
        }
        Ok(())
    }

    /// Judges the whole of it.
    pub(super) fn finish(self) -> Result<(), BodyFault> {
        let md5 = self.md5.map(|md5| <[u8; 16]>::from(md5.finalize()));
        let sha256 = self
            .sha256
            .map(|sha256| <[u8; 32]>::from(sha256.finalize()));
        if !self.rules.md5.iter().all(|wanted| md5 == Some(*wanted))
            || !self
                .rules
                .sha256
                .iter()
                .all(|wanted| sha256 == Some(*wanted))
        {
            return Err(BodyFault::Digest);
        }
        for (regex, wanted) in &self.rules.texts {
            match (wanted, regex.is_match(&self.kept)) {
                (Wanted::Match, false) => return Err(BodyFault::NoMatch),
                (Wanted::NoMatch, true) => return Err(BodyFault::Unwanted),
                (Wanted::Match, true) | (Wanted::NoMatch, false) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Rules;
    use crate::check::BodyFault;
    use crate::http::{BodyRule, HttpConfigError};

    /// RFC 1321 §A.5 and FIPS 180-2 §B.1: the digests of `abc`.
    const MD5: [u8; 16] = 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72_u128.to_be_bytes();
    const SHA256: [u8; 32] = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
        0x15, 0xad,
    ];

    fn made(rules: &[BodyRule]) -> Rules {
        Rules::new(rules).unwrap()
    }

    fn judge(rules: &[BodyRule], body: &[&[u8]], limit: usize) -> Result<(), BodyFault> {
        let rules = made(rules);
        let mut examination = rules.examine(limit);
        for part in body {
            examination.push(part)?;
        }
        examination.finish()
    }

    #[test]
    fn bodies_are_judged_by_every_rule() {
        let contains = BodyRule::Contains("b.c".to_owned());
        let matches = BodyRule::Matches("^a.c$".to_owned());
        let not = BodyRule::MatchesNot("[0-9]".to_owned());
        let (md5, sha256) = (BodyRule::Md5(MD5), BodyRule::Sha256(SHA256));
        for (rule, body, expected) in [
            (&contains, &b"ab.cd"[..], Ok(())),
            (&contains, b"abxcd", Err(BodyFault::NoMatch)),
            (&contains, b"\xffb.c\xff", Ok(())),
            (&matches, b"abc", Ok(())),
            (&matches, b"abcd", Err(BodyFault::NoMatch)),
            (&not, b"abc", Ok(())),
            (&not, b"ab1", Err(BodyFault::Unwanted)),
            (&not, b"", Ok(())),
            (&md5, b"abc", Ok(())),
            (&md5, b"abcd", Err(BodyFault::Digest)),
            (&sha256, b"abc", Ok(())),
            (&sha256, b"", Err(BodyFault::Digest)),
        ] {
            let judged = judge(std::slice::from_ref(rule), &[body], 10);
            assert_eq!(judged, expected, "{rule:?} {body:?}");
        }
        let all = [matches, not, md5.clone(), sha256];
        assert_eq!(judge(&all, &[b"a", b"", b"bc"], 3), Ok(()));
        assert_eq!(judge(&all, &[b"a", b"bc"], 2), Err(BodyFault::TooLong));
        let both = [md5, BodyRule::Md5([0; 16])];
        assert_eq!(judge(&both, &[b"abc"], 3), Err(BodyFault::Digest));
    }

    #[test]
    fn rules_that_cannot_be_used_are_refused() {
        let empty = Rules::new(&[BodyRule::Contains(String::new())]);
        assert!(matches!(empty, Err(HttpConfigError::Empty)));
        for rule in [BodyRule::Matches, BodyRule::MatchesNot] {
            let error = Rules::new(&[rule("(?=x)".to_owned())]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "\"(?=x)\" cannot be used as a regular expression"
            );
        }
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_is_cut(
            body in "[a-c]{0,12}",
            cuts in proptest::collection::vec(0_usize..12, 0..4),
        ) {
            let rules = [BodyRule::Matches("ab+c".to_owned()), BodyRule::MatchesNot("cc".to_owned())];
            let mut parts = Vec::new();
            let mut rest = body.as_bytes();
            for cut in cuts {
                let (part, behind) = rest.split_at(cut.min(rest.len()));
                parts.push(part);
                rest = behind;
            }
            parts.push(rest);
            prop_assert_eq!(judge(&rules, &parts, 12), judge(&rules, &[body.as_bytes()], 12));
        }
    }
}

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

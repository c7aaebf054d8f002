//! A text as what it differs by from one that the other end has: most of a large file is as it was.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Source;

/// A configuration on its way from one part of the program to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Draft {
    /// Like the one that was taken under this number, but for some of its text.
    Edit {
        of: u64,
        edit: Edit,
    },
    /// What the other end has known from its beginning.
    Known,
    Whole(Source),
}

/// What replaces the middle of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edit {
    /// So many bytes at the beginning stay.
    head: usize,
    /// So many at the end.
    tail: usize,
    text: String,
}

/// The text is not known from which the other one differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("only a part of the configuration has come, and the rest is not known: reload again")]
pub(crate) struct Incomplete;

impl Draft {
    /// Of `new`, for somebody who has taken `old` under the number `of`.
    pub(crate) fn after(of: u64, old: &Source, new: &Source) -> Self {
        let same = (&old.name, &old.directory, old.part) == (&new.name, &new.directory, new.part);
        match same.then(|| Edit::between(&old.text, &new.text)).flatten() {
            Some(edit) => Self::Edit { of, edit },
            None => Self::Whole(new.clone()),
        }
    }

    /// What it is a draft of, if `taken` is what was taken last, with its number.
    pub(crate) fn complete(self, taken: Option<&(u64, Source)>) -> Result<Source, Incomplete> {
        let (of, edit) = match self {
            Self::Edit { of, edit } => (of, edit),
            Self::Known => return Err(Incomplete),
            Self::Whole(source) => return Ok(source),
        };
        let (_, old) = taken
            .filter(|(number, _)| *number == of)
            .ok_or(Incomplete)?;
        Ok(Source {
            text: Arc::new(edit.of(&old.text).ok_or(Incomplete)?),
            name: old.name.clone(),
            directory: old.directory.clone(),
            part: old.part,
        })
    }
}

impl Edit {
    fn between(old: &str, new: &str) -> Option<Self> {
        let head = if old == new {
            old.len()
        } else {
            common(old.bytes(), new.bytes())
        };
        let head = (0..=head)
            .rev()
            .find(|at| is_boundary(old, new, *at, *at))?;
        let rest = |text: &str| text.len().checked_sub(head);
        let most = rest(old)?.min(rest(new)?);
        let tail = common(old.bytes().rev(), new.bytes().rev()).min(most);
        let cut = |tail: &usize| is_boundary(old, new, old.len() - tail, new.len() - tail);
        let tail = (0..=tail).rev().find(cut)?;
        let text = new.get(head..new.len() - tail)?.to_owned();
        Some(Self { head, tail, text })
    }

    fn of(&self, old: &str) -> Option<String> {
        let begin = old.get(..self.head)?;
        let end = old.get(old.len().checked_sub(self.tail)?..)?;
        let mut new = String::with_capacity(begin.len() + self.text.len() + end.len());
        new.extend([begin, &self.text, end]);
        Some(new)
    }
}

/// How many are the same before the first that is not.
fn common(old: impl Iterator<Item = u8>, new: impl Iterator<Item = u8>) -> usize {
    old.zip(new).take_while(|(old, new)| old == new).count()
}

fn is_boundary(old: &str, new: &str, in_old: usize, in_new: usize) -> bool {
    old.is_char_boundary(in_old) && new.is_char_boundary(in_new)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::super::Part;
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "a.toml".to_owned(),
            text: Arc::new(text.to_owned()),
            directory: PathBuf::from("/etc"),
            part: Part::Whole,
        }
    }

    fn edit(old: &str, new: &str) -> (usize, usize, String) {
        let Edit { head, tail, text } = Edit::between(old, new).unwrap();
        (head, tail, text)
    }

    #[test]
    fn only_what_differs_is_sent() {
        let table = [
            ("", "", (0, 0, "")),
            ("abc", "abc", (3, 0, "")),
            ("abc", "aXc", (1, 1, "X")),
            ("aa", "aaa", (2, 0, "a")),
            ("aaa", "aa", (2, 0, "")),
            ("abc", "", (0, 0, "")),
            // é is C3 A9, è is C3 A8, and © is C2 A9.
            ("é", "è", (0, 0, "è")),
            ("é", "©", (0, 0, "©")),
        ];
        for (old, new, (head, tail, text)) in table {
            assert_eq!(edit(old, new), (head, tail, text.to_owned()), "{old} {new}");
        }
    }

    #[test]
    fn what_is_not_known_cannot_be_completed() {
        let (old, new) = (source("abc"), source("abd"));
        let draft = Draft::after(7, &old, &new);
        let other = (8, old.clone());
        assert_eq!(draft.clone().complete(None), Err(Incomplete));
        assert_eq!(draft.clone().complete(Some(&other)), Err(Incomplete));
        assert_eq!(
            draft.clone().complete(Some(&(7, source("")))),
            Err(Incomplete)
        );
        assert_eq!(draft.complete(Some(&(7, old.clone()))), Ok(new));
        let moved = Source {
            directory: PathBuf::from("/"),
            ..old.clone()
        };
        assert_eq!(Draft::after(7, &old, &moved), Draft::Whole(moved.clone()));
        assert_eq!(Draft::Whole(moved.clone()).complete(None), Ok(moved));
    }

    proptest! {
        #[test]
        fn what_comes_is_what_was_sent(old in "[aé\n]{0,8}", new in "[aéè\n]{0,8}") {
            let (old, new) = (source(&old), source(&new));
            let draft = Draft::after(1, &old, &new);
            let json = serde_json::to_vec(&draft).unwrap();
            let draft: Draft = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(draft.complete(Some(&(1, old))), Ok(new));
        }
    }
}

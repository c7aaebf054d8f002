//! What was read of virtual services, so that what has not changed need not be read again.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::site::CheckKind;

use super::notification;
use super::service::{Located, Room, Shared};

/// The virtual services of a configuration, each under the text that says it. What more than that text decides is not
/// among them, as a program that has to be there.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<BTreeMap<Piece, Arc<Known>>>);

/// A piece of a text that is kept as a whole anyway.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    of: Arc<String>,
    place: Range<usize>,
}

impl Piece {
    pub(super) fn new(of: &Arc<String>, place: Range<usize>) -> Self {
        let of = Arc::clone(of);
        Self { of, place }
    }

    fn text(&self) -> &str {
        self.of.get(self.place.clone()).unwrap_or_default()
    }
}

impl Borrow<str> for Piece {
    fn borrow(&self) -> &str {
        self.text()
    }
}

impl Ord for Piece {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text().cmp(other.text())
    }
}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Piece {}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.0.len()).finish()
    }
}

impl FromIterator<(Piece, Arc<Known>)> for Memory {
    fn from_iter<T: IntoIterator<Item = (Piece, Arc<Known>)>>(all: T) -> Self {
        Self(Arc::new(all.into_iter().collect()))
    }
}

impl Memory {
    pub(super) fn get(&self, text: &str) -> Option<Arc<Known>> {
        self.0.get(text).cloned()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a piece of text says, without a mistake.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) services: Vec<Arc<Located>>,
    /// Its checks, each once.
    kinds: Vec<Arc<CheckKind>>,
    room: Room,
}

impl Known {
    /// `services` were read with `shared` just now; before that there was so much `room`.
    pub(super) fn new(
        services: Vec<Arc<Located>>,
        room: Room,
        shared: &mut Shared,
    ) -> Option<Self> {
        Some(Self {
            services,
            kinds: shared.kinds.take_asked(),
            room: room.checked_sub(shared.left)?,
        })
    }

    /// Whether the same text says the same again, if its checks can be made.
    pub(super) fn is_lasting(&self) -> bool {
        let programs = self.kinds.iter().any(|kind| match **kind {
            CheckKind::Exec(_) => true,
            CheckKind::Dns(_) | CheckKind::Http(_) | CheckKind::Icmp(_) | CheckKind::Tcp(_) => {
                false
            }
        });
        let mut services = self.services.iter().filter_map(|one| one.service.as_ref());
        !programs && !services.any(|service| notification::programs(service))
    }

    /// Has it count as if it had been read with `shared`. `None`: it cannot be any more.
    pub(super) fn again(&self, shared: &mut Shared) -> Option<()> {
        shared.left = shared.left.checked_sub(self.room)?;
        let can_be_made = self.kinds.iter().all(|kind| shared.kinds.again(kind));
        can_be_made.then_some(())
    }
}

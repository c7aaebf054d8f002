//! What was read of virtual services, so that what has not changed need not be read again.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::site::{CheckKind, VirtualService};

use super::notification;
use super::service::{Room, Shared};

/// The virtual services of a configuration, each under the text that says it. What more than that text decides is not
/// among them, as a program that has to be there.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    /// It is kept as a whole anyway.
    text: Arc<String>,
    /// In order of their texts, which are in these places.
    all: Arc<Vec<(Range<usize>, Known)>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.all.len()).finish()
    }
}

impl Memory {
    /// `all` that is known of places in `text`.
    pub(super) fn new(text: &Arc<String>, mut all: Vec<(Range<usize>, Known)>) -> Self {
        all.sort_unstable_by(|(one, _), (other, _)| piece(text, one).cmp(piece(text, other)));
        Self {
            text: Arc::clone(text),
            all: Arc::new(all),
        }
    }

    pub(super) fn get(&self, text: &str) -> Option<&Known> {
        let all = &self.all;
        let found = all.binary_search_by(|(place, _)| piece(&self.text, place).cmp(text));
        let (_, known) = all.get(found.ok()?)?;
        Some(known)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

fn piece<'t>(text: &'t str, place: &Range<usize>) -> &'t str {
    text.get(place.clone()).unwrap_or_default()
}

/// What a piece of text says, without a mistake.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) service: Arc<VirtualService>,
    /// It has servers of another family.
    pub(super) mixed: bool,
    /// Its checks, each once.
    kinds: Box<[Arc<CheckKind>]>,
    room: Room,
}

impl Known {
    /// `service` was read with `shared` just now; before that there was so much `room`.
    pub(super) fn new(
        service: VirtualService,
        mixed: bool,
        room: Room,
        shared: &mut Shared,
    ) -> Option<Self> {
        Some(Self {
            service: Arc::new(service),
            mixed,
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
        !programs && !notification::programs(&self.service)
    }

    /// Has it count as if it had been read with `shared`. `None`: it cannot be any more.
    pub(super) fn again(&self, shared: &mut Shared) -> Option<()> {
        shared.left = shared.left.checked_sub(self.room)?;
        let can_be_made = self.kinds.iter().all(|kind| shared.kinds.again(kind));
        can_be_made.then_some(())
    }
}

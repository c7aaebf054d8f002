//! What has to change so that the kernel's table becomes what it should be.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::iter::Peekable;

use crate::op::Op;
use crate::table::{ActualService, DesiredService, Snapshot, Table};
use crate::types::{DestinationEntry, ServiceKey};

/// What becomes of a destination that should not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "now, or later")]
pub enum Removal {
    /// Stays with weight 0: no new connections, but those it has go on.
    Drain,
    /// Goes at once.
    Remove,
}

/// The changes that turn `actual` into `desired`, in an order that never takes away before it gives. None if the two
/// are equal.
///
/// First come new services with their destinations, new destinations, and edits that leave a destination in use; then
/// edits of services; then what takes a destination out of use; last, services that go. A destination or service that
/// stays is edited, never deleted and added again. So a service that has destinations in both tables has one at every
/// step, and one with a weight if it has such in both.
///
/// Takes time proportional to the size of the two tables.
#[must_use]
pub fn plan(desired: &Table, actual: &Snapshot) -> Vec<Op> {
    plan_with(desired, actual, |_, _| Removal::Remove)
}

/// The same, but `removal` decides for each destination that should go, in a service that stays, whether it is drained
/// first. One that is drained already makes no change; to end the draining, answer [`Removal::Remove`].
#[must_use]
pub fn plan_with(
    desired: &Table,
    actual: &Snapshot,
    removal: impl FnMut(&ServiceKey, &DestinationEntry) -> Removal,
) -> Vec<Op> {
    // At least so many are added. Growing by and by would touch all that memory several times over.
    let added = desired.entries().saturating_sub(actual.entries());
    let mut ops = Vec::with_capacity(added);
    ops.extend(plan_lazily(desired, actual, removal));
    ops
}

/// The same, one after the other: the changes that fill an empty table need not all be there at once, for
/// [`Client::apply_each`](crate::Client::apply_each).
pub fn plan_lazily<'a>(
    desired: &'a Table,
    actual: &'a Snapshot,
    mut removal: impl FnMut(&ServiceKey, &DestinationEntry) -> Removal + 'a,
) -> impl Iterator<Item = Op> + 'a {
    let mut pairs = merge(&desired.services, &actual.services);
    let mut changes = Changes::default();
    std::iter::from_fn(move || {
        loop {
            if let Some(op) = changes.given.pop_front() {
                return Some(op);
            }
            match pairs.next() {
                Some(Pair::Left(_, desired)) => changes.add_service(desired),
                Some(Pair::Both(key, desired, actual)) => {
                    changes.change_service(key, desired, actual, &mut removal);
                }
                Some(Pair::Right(key, _)) => changes.removed.push_back(Op::RemoveService(*key)),
                None => return changes.later(),
            }
        }
    })
}

/// What is still to be made, first what gives.
#[derive(Default)]
struct Changes {
    given: VecDeque<Op>,
    services: VecDeque<Op>,
    taken: VecDeque<Op>,
    removed: VecDeque<Op>,
}

impl Changes {
    fn add_service(&mut self, desired: &DesiredService) {
        let key = *desired.service.key();
        self.given
            .push_back(Op::AddService(desired.service.clone()));
        let added = desired.destinations();
        self.given
            .extend(added.map(|(_, destination)| Op::AddDestination(key, *destination)));
    }

    fn change_service(
        &mut self,
        key: &ServiceKey,
        desired: &DesiredService,
        actual: &ActualService,
        removal: &mut impl FnMut(&ServiceKey, &DestinationEntry) -> Removal,
    ) {
        if desired.service.settings() != actual.service.settings {
            self.services
                .push_back(Op::EditService(desired.service.clone()));
        }
        let there = actual.destinations.iter().map(|(key, entry)| (*key, entry));
        for pair in merge(desired.destinations(), there) {
            match pair {
                Pair::Left(_, destination) => {
                    self.given.push_back(Op::AddDestination(*key, *destination));
                }
                Pair::Both(_, destination, entry) => {
                    let settings = destination.settings();
                    let edit = Op::EditDestination(*key, *destination);
                    match (settings == entry.settings, settings.weight) {
                        (true, _) => {}
                        (false, 0) => self.taken.push_back(edit),
                        (false, _) => self.given.push_back(edit),
                    }
                }
                Pair::Right(identity, entry) => match removal(key, entry) {
                    Removal::Remove => {
                        self.taken.push_back(Op::RemoveDestination(*key, identity));
                    }
                    Removal::Drain if entry.settings.weight == 0 => {}
                    Removal::Drain => {
                        self.taken
                            .push_back(Op::DrainDestination(*key, identity, entry.settings));
                    }
                },
            }
        }
    }

    /// When nothing is given any more.
    fn later(&mut self) -> Option<Op> {
        let lists = [&mut self.services, &mut self.taken, &mut self.removed];
        lists.into_iter().find_map(VecDeque::pop_front)
    }
}

/// An entry of the left table, of the right one, or of both.
enum Pair<K, L, R> {
    Left(K, L),
    Both(K, L, R),
    Right(K, R),
}

/// Walks two sorted tables at once, with one comparison for each step.
fn merge<K: Ord + Copy, L, R>(
    left: impl IntoIterator<Item = (K, L)>,
    right: impl IntoIterator<Item = (K, R)>,
) -> impl Iterator<Item = Pair<K, L, R>> {
    let mut left = left.into_iter().peekable();
    let mut right = right.into_iter().peekable();
    std::iter::from_fn(move || step(&mut left, &mut right))
}

fn step<K: Ord + Copy, L, R>(
    left: &mut Peekable<impl Iterator<Item = (K, L)>>,
    right: &mut Peekable<impl Iterator<Item = (K, R)>>,
) -> Option<Pair<K, L, R>> {
    let order = match (left.peek(), right.peek()) {
        (Some((l, _)), Some((r, _))) => l.cmp(r),
        (Some(_), None) => Ordering::Less,
        (None, _) => Ordering::Greater,
    };
    match order {
        Ordering::Less => left.next().map(|(key, l)| Pair::Left(key, l)),
        Ordering::Greater => right.next().map(|(key, r)| Pair::Right(key, r)),
        Ordering::Equal => left
            .next()
            .zip(right.next())
            .map(|((key, l), (_, r))| Pair::Both(key, l, r)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A key that counts comparisons.
    #[derive(Clone, Copy)]
    struct Counted<'a>(u32, &'a Cell<usize>);

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Counted<'_> {}

    #[test]
    fn forty_thousand_take_one_comparison_each() {
        let comparisons = Cell::new(0);
        let left = (0..40_000).map(|n| (Counted(2 * n, &comparisons), ()));
        let right = (0..40_000).map(|n| (Counted(3 * n, &comparisons), ()));
        let (mut only_left, mut both, mut only_right) = (0, 0, 0);
        for pair in merge(left, right) {
            match pair {
                Pair::Left(..) => only_left += 1,
                Pair::Both(..) => both += 1,
                Pair::Right(..) => only_right += 1,
            }
        }
        let common = 13_334;
        assert_eq!(
            (only_left, both, only_right),
            (40_000 - common, common, 40_000 - common)
        );
        assert!(comparisons.get() <= only_left + both + only_right);
    }
}

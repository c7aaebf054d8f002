//! The destinations of one service, read.

use std::iter::FusedIterator;

use crate::types::{DestinationEntry, DestinationKey};

/// The destinations of a service as they are in the kernel, each once, in order of their keys. It reads as a map does,
/// and takes no more room than they do: a large site has tens of thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations(Vec<DestinationEntry>);

impl Destinations {
    /// How many they are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, key: &DestinationKey) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.key.cmp(key))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, key: &DestinationKey) -> Option<&DestinationEntry> {
        self.find(key).ok().and_then(|index| self.0.get(index))
    }

    /// Is it one of them?
    #[must_use]
    pub fn contains_key(&self, key: &DestinationKey) -> bool {
        self.find(key).is_ok()
    }

    /// All of them, with their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// Their keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &DestinationKey> {
        self.0.iter().map(|entry| &entry.key)
    }

    /// All of them.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &DestinationEntry> {
        self.0.iter()
    }
}

#[cfg(feature = "fake")]
impl Destinations {
    pub(crate) fn get_mut(&mut self, key: &DestinationKey) -> Option<&mut DestinationEntry> {
        let index = self.find(key).ok()?;
        self.0.get_mut(index)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut DestinationEntry> {
        self.0.iter_mut()
    }

    /// In the place of the one with the same key, if there is one.
    pub(crate) fn insert(&mut self, entry: DestinationEntry) {
        match self.find(&entry.key) {
            Ok(index) => {
                if let Some(old) = self.0.get_mut(index) {
                    *old = entry;
                }
            }
            Err(index) => self.0.insert(index, entry),
        }
    }

    pub(crate) fn remove(&mut self, key: &DestinationKey) -> Option<DestinationEntry> {
        self.find(key).ok().map(|index| self.0.remove(index))
    }
}

/// Of those with the same key the last one counts.
impl From<Vec<DestinationEntry>> for Destinations {
    fn from(mut entries: Vec<DestinationEntry>) -> Self {
        entries.sort_by_key(|entry| entry.key);
        entries.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        Self(entries)
    }
}

impl FromIterator<DestinationEntry> for Destinations {
    fn from_iter<I: IntoIterator<Item = DestinationEntry>>(entries: I) -> Self {
        entries.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a Destinations {
    type Item = (&'a DestinationKey, &'a DestinationEntry);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// [`Destinations`] with their keys, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a>(std::slice::Iter<'a, DestinationEntry>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a DestinationKey, &'a DestinationEntry);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|entry| (&entry.key, entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Destination;

    fn entry(last: u8, active: u32) -> DestinationEntry {
        let destination = Destination::direct([10, 0, 0, last].into());
        let key = DestinationKey {
            address: destination.address(),
            port: 80,
        };
        let mut entry = DestinationEntry::idle(key, &destination);
        entry.active_connections = active;
        entry
    }

    #[test]
    fn they_are_in_order_and_each_once() {
        let all: Destinations = [
            entry(3, 1),
            entry(1, 2),
            entry(3, 3),
            entry(2, 4),
            entry(3, 5),
        ]
        .into_iter()
        .collect();
        let counts: Vec<u32> = all.values().map(|entry| entry.active_connections).collect();
        assert_eq!(counts, [2, 4, 5]);
        assert_eq!(all.get(&entry(3, 0).key), Some(&entry(3, 5)));
        assert!(all.contains_key(&entry(2, 0).key) && !all.contains_key(&entry(4, 0).key));
        assert_eq!(all.get(&entry(4, 0).key), None);
        assert!(all.iter().map(|(key, _)| key).eq(all.keys()));
        assert_eq!((all.len(), all.iter().len()), (3, 3));
    }
}

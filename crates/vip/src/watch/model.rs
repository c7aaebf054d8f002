//! The state of interfaces and addresses: news in, real changes out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::driver::LinkIndex;
use crate::link::{Address, Change, Link};
use crate::netlink::rtnl::{AddressEntry, LinkEntry};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    links: BTreeMap<LinkIndex, Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    link: Link,
    /// In the kernel's order, which decides about the source.
    addresses: Vec<Address>,
}

impl Model {
    pub(super) fn link(&self, index: LinkIndex) -> Option<&Link> {
        self.links.get(&index).map(|entry| &entry.link)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values().map(|entry| &entry.link)
    }

    pub(super) fn addresses(&self, link: LinkIndex) -> &[Address] {
        self.links
            .get(&link)
            .map(|entry| &*entry.addresses)
            .unwrap_or_default()
    }

    pub(super) fn put_link(&mut self, entry: LinkEntry) -> Vec<Change> {
        let LinkEntry {
            index,
            name,
            up,
            carrier,
            mac,
            role: _,
        } = entry;
        let link = Link {
            index,
            name,
            up,
            carrier,
            mac,
        };
        match self.links.get_mut(&index) {
            Some(known) if known.link == link => Vec::new(),
            Some(known) => {
                known.link = link.clone();
                vec![Change::LinkChanged(link)]
            }
            None => {
                self.links.insert(
                    index,
                    Entry {
                        link: link.clone(),
                        addresses: Vec::new(),
                    },
                );
                vec![Change::LinkAdded(link)]
            }
        }
    }

    pub(super) fn remove_link(&mut self, index: LinkIndex) -> Vec<Change> {
        let Some(entry) = self.links.remove(&index) else {
            return Vec::new();
        };
        let gone = entry
            .addresses
            .iter()
            .map(|address| removed(index, *address));
        let mut changes: Vec<_> = gone.collect();
        changes.push(Change::LinkRemoved(entry.link));
        changes
    }

    /// Ignores addresses of unknown interfaces: the news of the interface comes before that of its addresses.
    pub(super) fn put_address(&mut self, entry: &AddressEntry) -> Vec<Change> {
        if !entry.usable {
            return self.remove_address(entry);
        }
        let Some(known) = self.links.get_mut(&entry.link) else {
            return Vec::new();
        };
        let new = Address {
            address: entry.address,
            ours: entry.marked,
            secondary: entry.secondary,
        };
        let mut changes = Vec::new();
        match known
            .addresses
            .iter_mut()
            .find(|a| a.address == new.address)
        {
            Some(old) if old.ours == new.ours => {
                *old = new;
                return changes;
            }
            Some(old) => {
                changes.push(removed(entry.link, *old));
                *old = new;
            }
            None => known.addresses.push(new),
        }
        let (link, address, ours) = (entry.link, new.address, new.ours);
        changes.push(Change::AddressAdded {
            link,
            address,
            ours,
        });
        changes
    }

    pub(super) fn remove_address(&mut self, entry: &AddressEntry) -> Vec<Change> {
        let Some(known) = self.links.get_mut(&entry.link) else {
            return Vec::new();
        };
        let position = known
            .addresses
            .iter()
            .position(|a| a.address == entry.address);
        let Some(position) = position else {
            return Vec::new();
        };
        vec![removed(entry.link, known.addresses.remove(position))]
    }

    /// Becomes what a dump says, and tells the differences.
    pub(super) fn resync(
        &mut self,
        links: Vec<LinkEntry>,
        addresses: &[AddressEntry],
    ) -> Vec<Change> {
        let usable = (0..).zip(addresses).filter(|(_, entry)| entry.usable);
        let positions: BTreeMap<(LinkIndex, IpNet), usize> = usable
            .map(|(position, entry)| ((entry.link, entry.address), position))
            .collect();
        let present: BTreeSet<LinkIndex> = links.iter().map(|link| link.index).collect();

        let mut changes = Vec::new();
        let gone: Vec<LinkIndex> = self
            .links
            .keys()
            .filter(|index| !present.contains(index))
            .copied()
            .collect();
        for index in gone {
            changes.extend(self.remove_link(index));
        }
        for (index, entry) in &mut self.links {
            entry.addresses.retain(|address| {
                let stays = positions.contains_key(&(*index, address.address));
                if !stays {
                    changes.push(removed(*index, *address));
                }
                stays
            });
        }
        for link in links {
            changes.extend(self.put_link(link));
        }
        for entry in addresses {
            changes.extend(self.put_address(entry));
        }
        for (index, entry) in &mut self.links {
            entry
                .addresses
                .sort_by_key(|a| positions.get(&(*index, a.address)).copied());
        }
        changes
    }
}

const fn removed(link: LinkIndex, address: Address) -> Change {
    Change::AddressRemoved {
        link,
        address: address.address,
        ours: address.ours,
    }
}

#[cfg(test)]
mod tests;

//! Which addresses are ours, where the kernel cannot say (before Linux 5.18).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::driver::LinkIndex;

const FILE: &str = "addresses";

/// A set of addresses, kept in a file if there is a directory for it: one line each, `INTERFACE-INDEX ADDRESS/LENGTH`.
#[derive(Debug, Default)]
pub(crate) struct Record {
    directory: Option<PathBuf>,
    ours: BTreeSet<(u32, IpNet)>,
}

impl Record {
    /// Reads what an earlier process left in `directory`, which is made if it does not exist.
    pub(crate) fn open(directory: Option<&Path>) -> io::Result<Self> {
        let Some(directory) = directory else {
            return Ok(Self::default());
        };
        fs::create_dir_all(directory)?;
        let text = match fs::read_to_string(directory.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let ours = text.lines().filter_map(|line| {
            let (index, address) = line.split_once(' ')?;
            Some((index.parse().ok()?, address.parse().ok()?))
        });
        Ok(Self {
            ours: ours.collect(),
            directory: Some(directory.to_owned()),
        })
    }

    pub(crate) fn contains(&self, link: LinkIndex, address: IpNet) -> bool {
        self.ours.contains(&(link.get(), address))
    }

    pub(crate) fn insert(&mut self, link: LinkIndex, addresses: impl Iterator<Item = IpNet>) {
        let before = self.ours.len();
        self.ours
            .extend(addresses.map(|address| (link.get(), address)));
        if self.ours.len() != before {
            self.save();
        }
    }

    pub(crate) fn remove(&mut self, link: LinkIndex, addresses: impl Iterator<Item = IpNet>) {
        let before = self.ours.len();
        for address in addresses {
            self.ours.remove(&(link.get(), address));
        }
        if self.ours.len() != before {
            self.save();
        }
    }

    /// Failing to save must not keep a service from its address.
    fn save(&self) {
        let Some(directory) = &self.directory else {
            return;
        };
        let text: String = self
            .ours
            .iter()
            .map(|(index, address)| format!("{index} {address}\n"))
            .collect();
        let new = directory.join("addresses.new");
        let saved = fs::write(&new, text).and_then(|()| fs::rename(&new, directory.join(FILE)));
        if let Err(error) = saved {
            tracing::warn!(%error, directory = %directory.display(), "cannot record our addresses");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("state");
        let link = LinkIndex::new(7).unwrap();
        let (one, two) = (
            "192.0.2.1/24".parse().unwrap(),
            "2001:db8::1/64".parse().unwrap(),
        );

        let mut record = Record::open(Some(&directory)).unwrap();
        record.insert(link, [one, two].into_iter());
        record.remove(link, [one].into_iter());

        let record = Record::open(Some(&directory)).unwrap();
        assert!(record.contains(link, two));
        assert!(!record.contains(link, one));
        assert!(!record.contains(LinkIndex::new(8).unwrap(), two));
    }

    #[test]
    fn a_damaged_line_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join(FILE),
            "7 192.0.2.1\nx\n\n7 192.0.2.2/24\n",
        )
        .unwrap();
        let record = Record::open(Some(directory.path())).unwrap();
        assert_eq!(record.ours.len(), 1);
    }
}

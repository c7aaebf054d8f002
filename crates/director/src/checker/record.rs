//! The services that this director has put in the kernel's table, kept over a crash: whatever the next configuration
//! says, they are its to remove.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use locum_ipvs::ServiceKey;
use tracing::warn;

const NAME: &str = "services";

/// The services, by what they are called, and the file that has them one on a line.
#[derive(Debug, Default)]
pub(crate) struct Record {
    file: Option<PathBuf>,
    names: BTreeSet<String>,
}

impl Record {
    /// What an earlier run left in `directory`; nothing where there is none.
    pub(crate) fn open(directory: &Path) -> Self {
        let file = directory.join(NAME);
        let names = match fs::read_to_string(&file) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => {
                warn!(%error, "the record {} cannot be read: services of an earlier run that the configuration has \
                    not got any more stay in the kernel's table", file.display());
                BTreeSet::new()
            }
        };
        Self {
            file: Some(file),
            names,
        }
    }

    /// Is nothing left in the table that is the director's?
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn has(&self, key: &ServiceKey) -> bool {
        self.names.contains(&key.to_string())
    }

    /// These are put in the table soon.
    pub(crate) fn add(&mut self, keys: &BTreeSet<ServiceKey>) {
        let before = self.names.len();
        self.names.extend(keys.iter().map(ToString::to_string));
        if self.names.len() > before {
            self.write();
        }
    }

    /// No other than these are in the table.
    pub(crate) fn keep(&mut self, keys: &BTreeSet<ServiceKey>) {
        if self.names.len() > keys.len() {
            self.names = keys.iter().map(ToString::to_string).collect();
            self.write();
        }
    }

    /// The table is empty.
    pub(crate) fn forget(&mut self) {
        self.names.clear();
        if let Some(file) = &self.file
            && let Err(error) = fs::remove_file(file)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(%error, "the record {} cannot be removed", file.display());
        }
    }

    /// A whole new file takes the place of the old one: a crash leaves one of the two.
    fn write(&self) {
        let Some(file) = &self.file else { return };
        let mut text = String::new();
        for name in &self.names {
            text.push_str(name);
            text.push('\n');
        }
        let new = file.with_extension("new");
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, file));
        if let Err(error) = written {
            warn!(%error, "the record {} cannot be written: after a crash, services that are then not configured any \
                more would stay in the kernel's table", file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(ports: &[u16]) -> BTreeSet<ServiceKey> {
        let key = |port: &u16| ServiceKey::tcp(([192, 0, 2, 1], *port).into());
        ports.iter().map(key).collect()
    }

    #[test]
    fn what_was_put_in_is_known_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let mut record = Record::open(&state);
        record.add(&keys(&[80, 443]));
        let again = Record::open(&state);
        assert!(keys(&[80, 443]).iter().all(|key| again.has(key)));
        assert!(keys(&[8080]).iter().all(|key| !again.has(key)));
        record.keep(&keys(&[443]));
        let again = Record::open(&state);
        assert!(keys(&[80]).iter().all(|key| !again.has(key)));
        record.forget();
        assert!(!state.join(NAME).exists());
        record.forget();
    }

    #[test]
    fn an_unwritable_place_is_no_reason_to_fail() {
        let mut record = Record::open(Path::new("/proc/nothing/here"));
        record.add(&keys(&[80]));
        assert!(keys(&[80]).iter().all(|key| record.has(key)));
    }
}

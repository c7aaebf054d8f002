//! What `up` did, so that `down` can undo exactly that.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Method;
use crate::sysctl::Key;

/// The version of the file's format.
const SCHEMA: u32 = 1;

/// Another `up` or `down` takes some milliseconds.
const TRIES: usize = 100;
const BETWEEN: Duration = Duration::from_millis(50);

/// Why the record cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RecordError {
    /// Another process does not let go of it.
    #[error("another `director real-server` has been working on {0} for too long")]
    Busy(PathBuf),
    /// The file system's answer.
    #[error("the record {path} cannot be {attempt}")]
    Io {
        path: PathBuf,
        attempt: &'static str,
        #[source]
        source: io::Error,
    },
    /// It is not a record.
    #[error("the record {path} makes no sense")]
    Malformed {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// It is of another version.
    #[error("the record {path} has schema {schema}, and this version knows {SCHEMA}")]
    Schema { path: PathBuf, schema: u32 },
}

/// Everything that is to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    schema: u32,
    pub(crate) virtual_addresses: BTreeMap<IpAddr, Entry>,
    /// Interfaces that were not there or not up.
    pub(crate) links: BTreeMap<String, LinkBefore>,
    pub(crate) sysctls: BTreeMap<Key, Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) method: Method,
    pub(crate) interface: String,
    pub(crate) owner: Owner,
}

/// Who put an address there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Owner {
    /// An administrator, before `up`: it stays.
    Administrator,
    /// `up`.
    Director,
}

/// What an interface was before `up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LinkBefore {
    Absent,
    Down,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) before: String,
    pub(crate) set: String,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            virtual_addresses: BTreeMap::new(),
            links: BTreeMap::new(),
            sysctls: BTreeMap::new(),
        }
    }
}

impl Record {
    /// Nothing is to be undone.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the record at `path`; an empty one if there is none.
    pub(crate) fn read(path: &Path) -> Result<Self, RecordError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(failed(path, "read", source)),
        };
        let malformed = |source| RecordError::Malformed {
            path: path.to_owned(),
            source,
        };
        let Version { schema } = serde_json::from_str(&text).map_err(malformed)?;
        if schema != SCHEMA {
            let path = path.to_owned();
            return Err(RecordError::Schema { path, schema });
        }
        serde_json::from_str(&text).map_err(malformed)
    }

    /// Writes it in one step, or removes the file if nothing is to be undone.
    pub(crate) fn write(&self, path: &Path) -> Result<(), RecordError> {
        if self.is_empty() {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(failed(path, "removed", error))
                }
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|source| RecordError::Malformed {
                path: path.to_owned(),
                source,
            })?;
        text.push(b'\n');
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let written = File::create(&beside)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&beside, path));
        written.map_err(|source| {
            // It is of no use to anybody.
            let _ = fs::remove_file(&beside);
            failed(path, "written", source)
        })
    }
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Keeps others from working on the record at `path` for as long as the result lives. Makes its directory.
pub(super) fn lock(path: &Path) -> Result<File, RecordError> {
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, "made", error))?;
    // The directory itself: a file of its own would stay behind.
    let file = File::open(directory).map_err(|error| failed(directory, "opened", error))?;
    for _ in 0..TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(BETWEEN),
            Err(error) => return Err(failed(directory, "locked", error.into())),
        }
    }
    Err(RecordError::Busy(path.to_owned()))
}

fn failed(path: &Path, attempt: &'static str, source: io::Error) -> RecordError {
    RecordError::Io {
        path: path.to_owned(),
        attempt,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_an_empty_record_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("real-server.json");
        assert_eq!(Record::read(&path).unwrap(), Record::default());
        let mut record = Record::default();
        let entry = Entry {
            method: Method::Tunnel,
            interface: "tunl0".to_owned(),
            owner: Owner::Director,
        };
        record
            .virtual_addresses
            .insert("192.0.2.10".parse().unwrap(), entry);
        record.links.insert("tunl0".to_owned(), LinkBefore::Down);
        let change = Change {
            before: "0".to_owned(),
            set: "1".to_owned(),
        };
        record
            .sysctls
            .insert(Key::ipv4("all", "arp_ignore"), change);
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        Record::default().write(&path).unwrap();
        Record::default().write(&path).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn other_versions_and_nonsense_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("real-server.json");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Record::read(&path).unwrap_err()
        };
        assert!(matches!(
            read(r#"{"schema": 2, "more": 1}"#),
            RecordError::Schema { schema: 2, .. }
        ));
        assert!(matches!(read("{"), RecordError::Malformed { .. }));
        let escape = r#"{"schema": 1, "virtual_addresses": {}, "links": {},
            "sysctls": {"net/../kernel/core_pattern": {"before": "x", "set": "y"}}}"#;
        assert!(matches!(read(escape), RecordError::Malformed { .. }));
    }

    #[test]
    fn one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/real-server.json");
        let held = lock(&path).unwrap();
        let other = File::open(directory.path().join("sub")).unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(held);
        assert!(lock(&path).is_ok());
    }
}

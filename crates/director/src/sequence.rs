//! The sequence numbers of routers that authenticate by header, kept over a restart: a number that was used before is
//! not heard by anybody.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use locum_vrrp::wire::AhSequence;
use locum_vrrp::{AhRecord, RouterConfig, SequenceKeeper};
use tracing::{info, warn};

/// Where the records of all routers are, and the thread that writes them.
#[derive(Debug)]
pub(crate) struct Sequences {
    directory: PathBuf,
    writer: mpsc::Sender<Job>,
}

/// A record to be written.
#[derive(Debug)]
struct Job {
    file: PathBuf,
    record: AhRecord,
}

impl Sequences {
    /// There need not be such a directory yet.
    pub(crate) fn start(directory: &Path) -> io::Result<Self> {
        let (writer, jobs) = mpsc::channel();
        thread::Builder::new()
            .name("sequences".to_owned())
            .spawn(move || write_all(&jobs))?;
        Ok(Self {
            directory: directory.to_owned(),
            writer,
        })
    }

    /// `config` with its numbers going on above those of the last run.
    pub(crate) fn carry_on(&self, config: RouterConfig) -> RouterConfig {
        if !config.has_header() {
            return config;
        }
        let name = format!("ah-{}-{}", config.interface(), config.vrid());
        let file = self.directory.join(name);
        let last = match read(&file) {
            Ok(last) => last,
            Err(error) => {
                warn!(%error, "the record {} of sequence numbers cannot be read: other routers may not hear this one \
                    until it has heard them", file.display());
                AhRecord::default()
            }
        };
        // What the router will ask for first is written before it can use any of it.
        if let Some(first) = AhSequence::new(last).poll_record() {
            tell(&file, write(&file, first), false);
        }
        config.keep_sequence(Arc::new(Kept {
            last: Mutex::new(last),
            file,
            writer: self.writer.clone(),
        }))
    }
}

/// The numbers of one router.
#[derive(Debug)]
struct Kept {
    last: Mutex<AhRecord>,
    file: PathBuf,
    writer: mpsc::Sender<Job>,
}

impl SequenceKeeper for Kept {
    fn last(&self) -> AhRecord {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, record: AhRecord) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = record;
        // The writer lives as long as there is anybody to send to it.
        let _ = self.writer.send(Job {
            file: self.file.clone(),
            record,
        });
    }
}

fn write_all(jobs: &mpsc::Receiver<Job>) {
    let mut failed = false;
    while let Ok(Job { file, record }) = jobs.recv() {
        failed = tell(&file, write(&file, record), failed);
    }
}

/// Says when writing begins to fail, and when it works again. Returns whether it failed.
fn tell(file: &Path, written: io::Result<()>, failed_before: bool) -> bool {
    match written {
        Ok(()) => {
            if failed_before {
                info!("sequence numbers can be recorded again");
            }
            false
        }
        Err(error) => {
            if !failed_before {
                warn!(%error, "the record {} of sequence numbers cannot be written: after a restart, other routers may \
                    not hear this one until it has heard them", file.display());
            }
            true
        }
    }
}

/// Two numbers on a line: up to which they are reserved, and up to which they have been heard.
fn read(file: &Path) -> io::Result<AhRecord> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AhRecord::default()),
        Err(error) => return Err(error),
    };
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(reserved)), Some(Ok(heard)), None) => Ok(AhRecord { reserved, heard }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A whole new file takes the place of the old one, and is on the disk when this returns.
fn write(file: &Path, record: AhRecord) -> io::Result<()> {
    let directory = file.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(directory)?;
    // An interface may have a dot in its name.
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let mut out = File::create(&new)?;
    writeln!(out, "{} {}", record.reserved, record.heard)?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use locum_vrrp::election::Config;
    use locum_vrrp::{AdvertInterval, AhKey, Priority, Vrid};

    use super::*;

    fn config() -> RouterConfig {
        let interval = AdvertInterval::v2(1).unwrap();
        let election = Config::new(interval, Priority::DEFAULT).unwrap();
        let addresses = vec!["192.0.2.10/24".parse().unwrap()];
        RouterConfig::new("eth0.7", Vrid::new(51).unwrap(), addresses, election).unwrap()
    }

    fn kept(directory: &Path) -> Kept {
        let (writer, jobs) = mpsc::channel();
        // What is sent is written at once by the tests themselves.
        drop(jobs);
        Kept {
            last: Mutex::default(),
            file: directory.join("ah-eth0.7-51"),
            writer,
        }
    }

    #[test]
    fn numbers_are_reserved_on_the_disk_before_the_router_has_them() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let sequences = Sequences::start(&state).unwrap();
        let plain = sequences.carry_on(config());
        assert!(!state.exists() && !plain.has_header());

        let with_header = config()
            .header(AhKey::new("secret").unwrap(), None)
            .unwrap();
        let mut last = 0;
        for _ in 0..3 {
            let _config = sequences.carry_on(with_header.clone());
            // A crash here, and every later run is above all that this one could have used.
            let record = read(&state.join("ah-eth0.7-51")).unwrap();
            assert!(record.reserved > last + 1000, "{record:?}");
            last = record.reserved;
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let kept = kept(directory.path());
        assert_eq!(kept.last(), AhRecord::default());
        let record = AhRecord {
            reserved: 5000,
            heard: 17,
        };
        kept.keep(record);
        assert_eq!(kept.last(), record);
        write(&kept.file, record).unwrap();
        assert_eq!(read(&kept.file).unwrap(), record);
    }

    #[test]
    fn the_thread_writes_what_the_router_asks_for() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, jobs) = mpsc::channel();
        let kept = Kept {
            writer,
            ..kept(directory.path())
        };
        for reserved in [10, 20, 30] {
            kept.keep(AhRecord { reserved, heard: 1 });
        }
        let file = kept.file.clone();
        drop(kept);
        write_all(&jobs);
        assert_eq!(read(&file).unwrap().reserved, 30);
    }

    #[test]
    fn a_record_that_is_none_is_an_error_and_a_bad_place_no_reason_to_fail() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record");
        for text in ["", "1", "1 2 3", "one two", "-1 0", "4294967296 0"] {
            fs::write(&file, text).unwrap();
            assert!(read(&file).is_err(), "{text:?}");
        }
        let sequences = Sequences::start(Path::new("/proc/nothing/here")).unwrap();
        let with_header = config()
            .header(AhKey::new("secret").unwrap(), None)
            .unwrap();
        assert!(sequences.carry_on(with_header).has_header());
    }
}

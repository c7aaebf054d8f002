//! The services that this director has put in the kernel's table, kept over a crash: whatever the next configuration
//! says, they are its to remove.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use locum_ipvs::{Service, ServiceKey, Table};
use tracing::warn;

const NAME: &str = "services";

/// The services, and the file that has what they are called, one on a line.
#[derive(Debug, Default)]
pub(crate) struct Record {
    file: Option<PathBuf>,
    /// Its services are among them. They are not copied: that would take memory, which a start spends its time on.
    table: Arc<Table>,
    /// What others are called, which earlier tables had.
    earlier: BTreeSet<String>,
    /// Some have been announced, and are in the file alone.
    announced: bool,
}

impl Record {
    /// What an earlier run left in `directory`; nothing where there is none.
    pub(crate) fn open(directory: &Path) -> Self {
        let file = directory.join(NAME);
        let earlier = match fs::read_to_string(&file) {
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
            earlier,
            ..Self::default()
        }
    }

    /// Is nothing left in the table that is the director's?
    pub(crate) fn is_empty(&self) -> bool {
        self.table.services().next().is_none() && self.earlier.is_empty()
    }

    pub(crate) fn has(&self, key: &ServiceKey) -> bool {
        self.table.contains_key(key) || self.earlier.contains(&key.to_string())
    }

    /// These services are put in the kernel's table soon, which has no others: the table that has them is [confirmed](Self::confirm)
    /// afterwards.
    pub(crate) fn announce<'k>(&mut self, services: impl IntoIterator<Item = &'k ServiceKey>) {
        self.earlier.clear();
        self.announced = true;
        self.write(services);
    }

    /// Its services are those that were announced.
    pub(crate) fn confirm(&mut self, table: &Arc<Table>) {
        self.table = Arc::clone(table);
        self.announced = false;
    }

    /// If what was announced has never been confirmed, only the file has it.
    pub(crate) fn recall(&mut self) {
        if self.announced
            && let Some(directory) = self.file.as_deref().and_then(Path::parent)
        {
            *self = Self::open(directory);
        }
    }

    /// The services of `table` are put in the kernel's soon.
    pub(crate) fn add(&mut self, table: &Arc<Table>) {
        let old = std::mem::replace(&mut self.table, Arc::clone(table));
        let not_in = |other: &Table, key: &&ServiceKey| !other.contains_key(key);
        let gone = old.services().map(Service::key);
        let gone = gone.filter(|key| not_in(table, key));
        self.earlier.extend(gone.map(ToString::to_string));
        let added = table.services().map(Service::key);
        let mut is_known = true;
        for key in added.filter(|key| not_in(&old, key)) {
            is_known &= self.earlier.remove(&key.to_string());
        }
        if !is_known {
            self.write(self.table.services().map(Service::key));
        }
    }

    /// No others than those of the last table are in the kernel's.
    pub(crate) fn keep(&mut self) {
        if !self.earlier.is_empty() {
            self.earlier.clear();
            self.write(self.table.services().map(Service::key));
        }
    }

    /// The table is empty.
    pub(crate) fn forget(&mut self) {
        (self.table, self.earlier) = Default::default();
        if let Some(file) = &self.file
            && let Err(error) = fs::remove_file(file)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(%error, "the record {} cannot be removed", file.display());
        }
    }

    /// A whole new file takes the place of the old one: a crash leaves one of the two.
    fn write<'k>(&self, services: impl IntoIterator<Item = &'k ServiceKey>) {
        let Some(file) = &self.file else { return };
        let new = file.with_extension("new");
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| self.write_to(BufWriter::new(File::create(&new)?), services))
            .and_then(|()| fs::rename(&new, file));
        if let Err(error) = written {
            warn!(%error, "the record {} cannot be written: after a crash, services that are then not configured any \
                more would stay in the kernel's table", file.display());
        }
    }

    fn write_to<'k>(
        &self,
        mut file: impl io::Write,
        services: impl IntoIterator<Item = &'k ServiceKey>,
    ) -> io::Result<()> {
        for service in services {
            writeln!(file, "{service}")?;
        }
        for name in &self.earlier {
            writeln!(file, "{name}")?;
        }
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use locum_ipvs::Scheduler;

    use super::*;

    fn key(port: u16) -> ServiceKey {
        ServiceKey::tcp(([192, 0, 2, 1], port).into())
    }

    fn table(ports: &[u16]) -> Arc<Table> {
        let mut table = Table::new();
        for port in ports {
            let service = Service::new(key(*port), Scheduler::WLC);
            table.insert(service, []).unwrap();
        }
        Arc::new(table)
    }

    #[test]
    fn what_was_put_in_is_known_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let mut record = Record::open(&state);
        assert!(record.is_empty());
        record.add(&table(&[80, 443]));
        record.add(&table(&[443]));
        assert!(record.has(&key(80)), "it may be there still");
        let mut again = Record::open(&state);
        assert!(!again.is_empty() && !again.has(&key(8080)));
        assert!(again.has(&key(80)) && again.has(&key(443)));
        again.add(&table(&[443]));
        again.keep();
        let mut again = Record::open(&state);
        assert!(!again.has(&key(80)) && again.has(&key(443)));
        again.forget();
        assert!(again.is_empty() && !state.join(NAME).exists());
        again.forget();
    }

    #[test]
    fn it_is_written_only_if_there_is_something_new() {
        let directory = tempfile::tempdir().unwrap();
        let mut record = Record::open(directory.path());
        record.add(&table(&[80, 443]));
        let file = directory.path().join(NAME);
        fs::remove_file(&file).unwrap();
        for ports in [[80, 443].as_slice(), &[443], &[80, 443]] {
            record.add(&table(ports));
        }
        record.keep();
        assert!(!file.exists());
        record.add(&table(&[80, 8080]));
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().collect::<BTreeSet<_>>();
        let names = [
            "tcp 192.0.2.1:443",
            "tcp 192.0.2.1:80",
            "tcp 192.0.2.1:8080",
        ];
        assert_eq!(lines, BTreeSet::from(names));
    }

    #[test]
    fn an_unwritable_place_is_no_reason_to_fail() {
        let mut record = Record::open(Path::new("/proc/nothing/here"));
        record.add(&table(&[80]));
        assert!(record.has(&key(80)));
    }
}

//! What the program outside tells the one inside, in files that both see.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the first process is to do.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) arguments: Vec<OsString>,
    pub(super) directory: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) modules: Vec<String>,
    pub(super) patience: Duration,
}

/// Names the directory in the environment of the first process.
pub(super) const DIRECTORY: &str = "LOCUM_KERNEL_JOB";

impl Job {
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("job"), serde_json::to_vec(self)?)
    }

    pub(super) fn read(directory: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(directory.join("job"))?)?)
    }
}

/// Where the first process leaves the exit code.
pub(super) fn outcome(directory: &Path) -> PathBuf {
    directory.join("outcome")
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn what_is_no_text_is_handed_on() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = OsString::from_vec(vec![b'a', b' ', b'"', 0xff, b'\n']);
        let job = Job {
            arguments: vec![bytes.clone(), OsString::new()],
            directory: "/tmp".into(),
            environment: vec![("A".into(), bytes)],
            modules: vec!["ip_vs".to_owned()],
            patience: Duration::from_millis(1500),
        };
        job.write(directory.path()).unwrap();
        assert_eq!(Job::read(directory.path()).unwrap(), job);
    }
}

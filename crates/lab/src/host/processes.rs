//! The processes in a host.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::process;
use std::time::Duration;

use super::{Host, Inner};
use crate::{LabError, Signal, child, wait_until};

/// ESRCH.
const NO_SUCH_PROCESS: i32 = 3;

/// How long killed processes may take to go.
const KILL_BOUND: Duration = Duration::from_secs(5);

impl Host {
    /// The processes in the host, without this one.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.0.processes()
    }

    /// Sends `signal` to one process in the host.
    ///
    /// # Errors
    ///
    /// [`LabError::Io`] if it is not there, or the kernel's answer.
    pub fn signal(&self, pid: u32, signal: Signal) -> Result<(), LabError> {
        if !self.0.processes().contains(&pid) {
            let gone = io::Error::from_raw_os_error(NO_SUCH_PROCESS);
            return Err(LabError::io("signal a process of the host")(gone));
        }
        child::send(pid, signal)
    }

    /// Sends `signal` to every process in the host.
    ///
    /// # Errors
    ///
    /// The kernel's answer; a process that has ended meanwhile is no error.
    pub fn signal_all(&self, signal: Signal) -> Result<(), LabError> {
        self.0.signal_all(signal)
    }

    /// Kills every process in the host at once, as a crash does: all are stopped first, so that none can react to
    /// the death of another.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] if some are still there after 5 s.
    pub fn kill_all(&self) -> Result<(), LabError> {
        self.0.kill_all()
    }
}

impl Inner {
    pub(super) fn processes(&self) -> Vec<u32> {
        let Ok(all) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = all
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // A zombie's namespace cannot be read: it is gone from the host already.
        let here = |pid: &u32| {
            fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| m.st_ino() == self.namespace)
        };
        pids.filter(|&pid| pid != process::id())
            .filter(here)
            .collect()
    }

    fn signal_all(&self, signal: Signal) -> Result<(), LabError> {
        for pid in self.processes() {
            match child::send(pid, signal) {
                Err(LabError::Io { source, .. })
                    if source.raw_os_error() == Some(NO_SUCH_PROCESS) => {}
                other => other?,
            }
        }
        Ok(())
    }

    pub(super) fn kill_all(&self) -> Result<(), LabError> {
        self.signal_all(Signal::Stop)?;
        wait_until("killed processes to go", KILL_BOUND, || {
            let all = self.processes();
            let parents: BTreeSet<u32> = all.iter().filter_map(|&pid| parent_of(pid)).collect();
            // Children first: when a parent goes, the kernel wakes its stopped children (setpgid(2), orphaned groups).
            for pid in all.iter().filter(|pid| !parents.contains(pid)) {
                // One that has gone meanwhile is not there the next time.
                let _killed = child::send(*pid, Signal::Kill);
            }
            all.is_empty()
        })
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything; then the state and the parent.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

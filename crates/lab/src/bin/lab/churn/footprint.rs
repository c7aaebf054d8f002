//! What the processes in a host hold.

use std::fmt;
use std::fs;
use std::iter::Sum;

use locum_lab::Host;
use serde::Serialize;

/// Of all processes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Footprint {
    pub(super) processes: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Pages that they share count for each.
    pub(super) rss_kib: u64,
}

impl Footprint {
    pub(super) fn of(host: &Host) -> Self {
        host.processes().into_iter().filter_map(of_process).sum()
    }
}

/// `None` if it has ended.
fn of_process(pid: u32) -> Option<Footprint> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(Footprint {
        processes: 1,
        descriptors: u64::try_from(descriptors).unwrap_or(u64::MAX),
        threads: field(&status, "Threads:")?,
        rss_kib: field(&status, "VmRSS:")?,
    })
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Sum for Footprint {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            processes: sum.processes + one.processes,
            descriptors: sum.descriptors + one.descriptors,
            threads: sum.threads + one.threads,
            rss_kib: sum.rss_kib + one.rss_kib,
        })
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} processes, {} descriptors, {} threads, RSS {} KiB",
            self.processes, self.descriptors, self.threads, self.rss_kib
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_what_the_kernel_says() {
        let status = "Name:\tdirector\nVmRSS:\t    9436 kB\nThreads:\t4\n";
        assert_eq!(field(status, "VmRSS:"), Some(9436));
        assert_eq!(field(status, "Threads:"), Some(4));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}

//! The system calls that no safe crate wraps.

use std::fs::{self, File};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::Pid;

/// Which of the two processes goes on after [`fork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forked {
    Child,
    Parent(Pid),
}

/// Makes a second process, which goes on here as this one does, with all that it has in memory.
///
/// # Errors
///
/// Those of fork(2); and [`io::ErrorKind::Unsupported`] in a process of several threads, since the locks that the others
/// hold would never be released in the second one.
#[expect(unsafe_code, reason = "fork")]
pub(crate) fn fork() -> io::Result<Forked> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: there is no other thread, as was just looked up, and nobody could start one meanwhile; so the child may do
    // what this process may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Pid::from_raw(pid)
            .map(Forked::Parent)
            .ok_or_else(|| io::ErrorKind::InvalidData.into()),
    }
}

/// Has the calling thread, and those that it starts later, scheduled by turns at this real-time priority (sched(7)).
#[expect(unsafe_code, reason = "sched_setscheduler")]
pub(crate) fn round_robin(priority: libc::c_int) -> io::Result<()> {
    // SAFETY: a structure of integers, of which zero is a value.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    // SAFETY: the kernel reads `parameters` during the call only; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Numbers in memory that is shared with every process that has the same file.
#[derive(Debug)]
pub(crate) struct SharedNumbers {
    first: NonNull<AtomicU64>,
    count: usize,
}

impl SharedNumbers {
    /// The first `count` numbers of a file in memory, which must be so long and sealed against shrinking.
    #[expect(unsafe_code, reason = "mmap")]
    pub(crate) fn map(file: &File, count: usize) -> io::Result<Self> {
        let length = count.checked_mul(size_of::<AtomicU64>());
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        let file_length = file.metadata()?.len();
        let is_short = u64::try_from(length).map_or(true, |length| file_length < length);
        if is_short || !fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses a place where nothing else is.
        let start = unsafe { mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file, 0)? };
        let first = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { first, count })
    }

    #[expect(unsafe_code, reason = "a mapping of another process's memory")]
    pub(crate) fn get(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: within the mapping, which is aligned to a page and there as long as `self`; the file behind it cannot
        // shrink; any bytes are a number.
        (index < self.count).then(|| unsafe { self.first.add(index).as_ref() })
    }
}

impl Drop for SharedNumbers {
    #[expect(unsafe_code, reason = "munmap")]
    fn drop(&mut self) {
        let length = self.count * size_of::<AtomicU64>();
        // SAFETY: what `map` made, and nobody has a number of it any more, since they were borrowed from `self`.
        let _ = unsafe { munmap(self.first.as_ptr().cast(), length) };
    }
}

#[expect(unsafe_code, reason = "a pointer to memory that is not a thread's")]
// SAFETY: it is a mapping of this process's own, of which only atomic numbers are given out.
unsafe impl Send for SharedNumbers {}
#[expect(unsafe_code, reason = "a pointer to memory that is not a thread's")]
// SAFETY: as above.
unsafe impl Sync for SharedNumbers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_several_threads_is_not_forked() {
        // Each test has a thread of its own.
        let error = fork().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}

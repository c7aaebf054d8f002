//! The system calls that no safe crate wraps.

use std::io;

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

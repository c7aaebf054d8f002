//! All that the compiler cannot check.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Lets the program that `command` starts belong to no groups but its own, and have no capabilities but its user's.
///
/// The standard library takes the groups away only from a process of user 0, and ambient capabilities from none.
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec")]
pub(crate) fn keep_no_privileges(command: &mut Command) {
    // SAFETY: these are plain system calls; they allocate nothing and take no lock, and an error of theirs is a number.
    unsafe {
        command.pre_exec(|| {
            // With no room given, the kernel only counts.
            match libc::getgroups(0, std::ptr::null_mut()) {
                0 => {}
                // By now user 0 has become another and may not do this any more: but it has no groups any more either.
                _ => rustix::thread::set_thread_groups(&[])?,
            }
            match rustix::thread::clear_ambient_capability_set() {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::from(error)),
            }
        });
    }
}

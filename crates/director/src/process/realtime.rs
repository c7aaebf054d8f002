//! Being served before other programs, and never waiting for memory.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use tracing::{info, warn};

use crate::sys;

/// Above most of what asks for real time, below the kernel's own threads (50, and 99 of the watchdogs).
const PRIORITY: i32 = 10;

/// Gives this process and all its later threads real-time priority, and keeps its memory from being paged out. What is
/// not permitted is said, and the program goes on without it.
pub(crate) fn begin() {
    match sys::round_robin(PRIORITY) {
        Ok(()) => info!("real-time priority {PRIORITY}"),
        Err(error) => warn!(
            %error,
            "no real-time priority: it needs CAP_SYS_NICE (or LimitRTPRIO={PRIORITY} in the systemd unit)"
        ),
    }
    if !may_lock() {
        warn!(
            "memory is not locked: that needs CAP_IPC_LOCK, or LimitMEMLOCK=infinity in the systemd unit"
        );
        return;
    }
    if let Err(error) = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE) {
        warn!(%error, "memory is not locked");
    }
}

/// With a limit, what is allocated later would fail when that is reached.
fn may_lock() -> bool {
    let sets = capabilities(None);
    sets.is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
        || getrlimit(Resource::Memlock).current.is_none()
}

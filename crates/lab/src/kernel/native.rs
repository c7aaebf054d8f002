//! The running kernel, where it has IPVS.

use std::process::Command;

use locum_ipvs::{Client, Limits};
use nix::sched::{CloneFlags, unshare};

use super::KernelError;

/// Has this kernel IPVS, and may we change it?
pub(super) fn has_ipvs() -> bool {
    Client::open(Limits::default()).is_ok_and(|mut client| client.info().is_ok())
}

/// Moves this process to a network namespace of its own: this machine's table stays as it is.
pub(super) fn enter() -> Result<(), KernelError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(KernelError::io("make a network namespace"))?;
    set_loopback_up()
}

/// In a new kernel or namespace it is down.
pub(super) fn set_loopback_up() -> Result<(), KernelError> {
    let status = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .map_err(KernelError::io("run `ip`, of Debian's package iproute2"))?;
    if status.success() {
        Ok(())
    } else {
        Err(KernelError::Io {
            attempt: "set lo up",
            source: std::io::Error::other(status.to_string()),
        })
    }
}

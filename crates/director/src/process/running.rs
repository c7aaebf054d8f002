//! A process of a side, as its parent has it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use rustix::process::{pidfd_send_signal, waitid};
use tokio::process::Child;
use tokio::signal::unix::{self as signal, SignalKind};

/// One that was started as a program, or forked.
#[derive(Debug)]
pub(super) enum Running {
    Forked(Forked),
    Started(Child),
}

#[derive(Debug)]
pub(super) struct Forked {
    pid: Pid,
    handle: OwnedFd,
    /// Some child of this process has ended, perhaps it.
    ended: signal::Signal,
    /// How it ended.
    status: Option<ExitStatus>,
}

impl Running {
    /// `handle` is that of pidfd_open(2). Needs a runtime.
    pub(super) fn forked(pid: Pid, handle: OwnedFd) -> io::Result<Self> {
        Ok(Self::Forked(Forked {
            pid,
            handle,
            ended: signal::signal(SignalKind::child())?,
            status: None,
        }))
    }

    /// Its number, until it is known to have ended.
    pub(super) fn id(&self) -> Option<u32> {
        match self {
            Self::Forked(forked) => match forked.status {
                Some(_) => None,
                None => u32::try_from(forked.pid.as_raw_nonzero().get()).ok(),
            },
            Self::Started(child) => child.id(),
        }
    }

    /// Kills it, without waiting.
    pub(super) fn start_kill(&mut self) -> io::Result<()> {
        match self {
            Self::Forked(forked) => Ok(pidfd_send_signal(&forked.handle, Signal::KILL)?),
            Self::Started(child) => child.start_kill(),
        }
    }

    /// Waits until it has ended. Nothing is lost when the future is dropped.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Forked(forked) => forked.wait().await,
            Self::Started(child) => child.wait().await,
        }
    }
}

impl Forked {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        loop {
            let of = WaitId::PidFd(self.handle.as_fd());
            let ended = waitid(of, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)?;
            if let Some(status) = ended.as_ref().and_then(status) {
                self.status = Some(status);
                return Ok(status);
            }
            if self.ended.recv().await.is_none() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }
}

/// The same as wait(2) tells it.
fn status(told: &WaitIdStatus) -> Option<ExitStatus> {
    let code = told.exit_status().map(|code| code << 8);
    code.or_else(|| told.terminating_signal())
        .map(ExitStatus::from_raw)
}

#[cfg(test)]
mod tests {
    use rustix::process::{PidfdFlags, pidfd_open};
    use std::process::{Command, Stdio};

    use super::*;

    /// As if it had been forked: how it was made does not matter here.
    #[expect(clippy::zombie_processes, reason = "that is what is tested")]
    fn running(program: &str, argument: &str) -> Running {
        let mut command = Command::new(program);
        let child = command.arg(argument).stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        Running::forked(pid, pidfd_open(pid, PidfdFlags::empty()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn how_it_ended_is_known() {
        let mut failed = running("/bin/false", "");
        assert!(failed.id().is_some());
        for _ in 0..2 {
            assert_eq!(failed.wait().await.unwrap().code(), Some(1));
        }
        assert_eq!(failed.id(), None);
    }

    #[tokio::test]
    async fn it_can_be_killed() {
        let mut endless = running("/bin/sleep", "1000");
        endless.start_kill().unwrap();
        assert_eq!(endless.wait().await.unwrap().signal(), Some(9));
    }
}

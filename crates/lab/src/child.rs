//! A program running in a host.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal;
use nix::unistd::Pid;

use crate::{LabError, Log, sys, wait_until};

/// What a process can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGCONT: go on after [`Signal::Stop`].
    Cont,
    /// SIGHUP: reload.
    Hup,
    /// SIGINT.
    Int,
    /// SIGKILL: a crash.
    Kill,
    /// SIGSTOP: a freeze.
    Stop,
    /// SIGTERM: a planned stop.
    Term,
    /// SIGUSR1.
    Usr1,
}

/// Sends `signal` to process `pid`.
pub(crate) fn send(pid: u32, signal: Signal) -> Result<(), LabError> {
    let signal = match signal {
        Signal::Cont => signal::SIGCONT,
        Signal::Hup => signal::SIGHUP,
        Signal::Int => signal::SIGINT,
        Signal::Kill => signal::SIGKILL,
        Signal::Stop => signal::SIGSTOP,
        Signal::Term => signal::SIGTERM,
        Signal::Usr1 => signal::SIGUSR1,
    };
    // 0 would be our whole process group.
    let pid = i32::try_from(pid).ok().filter(|&pid| pid > 0);
    let pid = pid
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
        .map_err(LabError::io("signal"))?;
    signal::kill(Pid::from_raw(pid), signal).map_err(LabError::os("signal a process"))
}

/// A program running in a [`Host`](crate::Host). Dropping it kills it (SIGKILL) and reaps it; the kernel kills it
/// when the laboratory itself dies. It is alone in its process group, so that Ctrl-C reaches only the laboratory.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    inner: Mutex<process::Child>,
    log: Log,
}

impl Child {
    /// Starts `command`, to die with the calling thread.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        sys::die_with_thread(&mut command);
        let inner = command.spawn()?;
        // Else our copy of the pipe's writing end would keep it open.
        drop(command);
        Ok(Self {
            pid: inner.id(),
            inner: Mutex::new(inner),
            log: Log::collect(reader),
        })
    }

    fn inner(&self) -> MutexGuard<'_, process::Child> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has written.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How it ended; `None` while it runs.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        self.inner().try_wait().ok().flatten()
    }

    /// Does it still run?
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status().is_none()
    }

    /// Sends it a signal; one that has ended already is left alone.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn signal(&self, signal: Signal) -> Result<(), LabError> {
        // Holding the lock, nobody reaps it: the number cannot become another process's.
        let mut inner = self.inner();
        match inner.try_wait() {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(_) => send(self.pid, signal),
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] if it still runs after `bound`.
    pub fn wait(&self, bound: Duration) -> Result<ExitStatus, LabError> {
        let mut ended = None;
        wait_until("a program to end", bound, || {
            ended = self.status();
            ended.is_some()
        })?;
        ended.ok_or_else(|| LabError::Timeout {
            awaited: "a program to end".to_owned(),
            bound,
        })
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn terminate(&self, bound: Duration) -> Result<ExitStatus, LabError> {
        self.signal(Signal::Term)?;
        self.wait(bound)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut inner = self.inner();
        // Fails only if it has ended already.
        let _ended = inner.kill();
        let _reaped = inner.wait();
    }
}

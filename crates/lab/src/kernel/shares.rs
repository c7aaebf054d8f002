//! Cases shared out among kernels that run at the same time, each booted by a process of its own.

use std::env;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::num::NonZeroUsize;
use std::process::{Child, Command, ExitCode};
use std::thread;

use super::KernelError;
use super::harness::Case;
use crate::sys;

/// Tells a process its share, as in `0/2`.
const SHARE: &str = "LOCUM_KERNEL_SHARE";

/// Every `of`-th case, beginning with `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    number: usize,
    of: NonZeroUsize,
}

impl Share {
    /// That of this process; `None`: it has all.
    pub(super) fn own() -> Option<Self> {
        let text = env::var(SHARE).ok()?;
        let (number, of) = text.split_once('/')?;
        Some(Self {
            number: number.parse().ok()?,
            of: of.parse().ok()?,
        })
    }

    pub(super) fn pick(self, cases: &[Case]) -> Vec<Case> {
        let cases = cases.iter().skip(self.number).step_by(self.of.get());
        cases.copied().collect()
    }

    /// This program again, for this share.
    fn command(self) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command
            .args(env::args_os().skip(1))
            .env(SHARE, format!("{}/{}", self.number, self.of));
        sys::die_with_thread(&mut command);
        Ok(command)
    }
}

/// As many as are `wanted`, but not more than there are processors.
pub(super) fn count(wanted: NonZeroUsize) -> NonZeroUsize {
    thread::available_parallelism().map_or(NonZeroUsize::MIN, |processors| processors.min(wanted))
}

/// Runs all shares at the same time.
pub(super) fn run(of: NonZeroUsize) -> Result<ExitCode, KernelError> {
    run_all(of).map_err(KernelError::io("share the cases out among kernels"))
}

fn run_all(of: NonZeroUsize) -> io::Result<ExitCode> {
    let others: io::Result<Vec<_>> = (1..of.get())
        .map(|number| Unheard::start(Share { number, of }))
        .collect();
    let others = others?;
    let mut succeeded = Share { number: 0, of }.command()?.status()?.success();
    for other in others {
        succeeded &= other.finish()?;
    }
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A share whose output waits until it has ended, so that it does not mix with that of another.
struct Unheard {
    child: Child,
    output: File,
    errors: File,
}

impl Unheard {
    fn start(share: Share) -> io::Result<Self> {
        let (output, errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let child = share
            .command()?
            .stdout(output.try_clone()?)
            .stderr(errors.try_clone()?)
            .spawn()?;
        Ok(Self {
            child,
            output,
            errors,
        })
    }

    /// Hands on what it wrote; did it succeed?
    fn finish(mut self) -> io::Result<bool> {
        let status = self.child.wait()?;
        hand_on(self.errors, io::stderr())?;
        hand_on(self.output, io::stdout())?;
        Ok(status.success())
    }
}

fn hand_on(mut from: File, mut to: impl Write) -> io::Result<()> {
    from.rewind()?;
    io::copy(&mut from, &mut to)?;
    to.flush()
}

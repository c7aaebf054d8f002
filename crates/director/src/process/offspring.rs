//! Sides as processes that are forked from this one, where that has a single thread yet: they need not be started as a
//! program, nor be told what was known before.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use rustix::process::{getpid, pidfd_open, pidfd_send_signal, setpgid, waitid};
use rustix::stdio::dup2_stdin;
use tracing::{debug, warn};

use super::{BeatTable, Side};
use crate::sys::{self, Forked};

/// The exit code of a process that panicked, as of all others in Rust.
const PANICKED: i32 = 101;

/// Its arguments are longer than this only by mistake.
const LONGEST: u32 = 64 << 10;

/// So long it may prepare itself.
const PREPARING: Duration = Duration::from_secs(30);

/// One that is not needed has so long to end, and to undo what it has prepared.
const ENDING: Duration = PREPARING;

/// A process that waits to be told what to be: see [`Offspring::begin`]. Dropped before, it ends, which is waited for.
#[derive(Debug)]
pub(crate) struct Offspring(Option<Waiting>);

#[derive(Debug)]
struct Waiting {
    pid: Pid,
    /// That of pidfd_open(2).
    handle: OwnedFd,
    stream: UnixStream,
}

impl Waiting {
    fn prepared(&self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PREPARING))?;
        (&self.stream).read_exact(&mut [0])
    }

    fn tell(&self, words: &[u8]) -> io::Result<()> {
        let length = u32::try_from(words.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        (&self.stream).write_all(&length.to_be_bytes())?;
        (&self.stream).write_all(words)?;
        self.stream.set_nonblocking(true)
    }

    fn end(self) -> rustix::io::Result<()> {
        let Self { handle, stream, .. } = self;
        drop(stream);
        let patience = Timespec::try_from(ENDING).map_err(|_| Errno::INVAL)?;
        retry_on_intr(|| {
            let ended = PollFd::new(&handle, PollFlags::IN);
            poll(&mut [ended], Some(&patience))
        })?;
        waitid(
            WaitId::PidFd(handle.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        )?;
        Ok(())
    }
}

impl Offspring {
    /// Waits until it has [prepared](Unborn::prepared) itself. If it does not, it is killed.
    fn prepared(self) -> Option<Self> {
        let waiting = self.0.as_ref()?;
        if let Err(error) = waiting.prepared() {
            warn!(%error, "a forked process hangs or has died: it is started as a program");
            // It may be dead.
            let _ = pidfd_send_signal(&waiting.handle, Signal::KILL);
            return None;
        }
        Some(self)
    }

    /// Has it begin as if it had been started with these arguments. What is said to it then goes through the stream.
    pub(super) fn begin(
        mut self,
        arguments: &[OsString],
    ) -> io::Result<(Pid, OwnedFd, UnixStream)> {
        let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_bytes()).collect();
        if let Some(waiting) = &self.0 {
            waiting.tell(&words.join(&0))?;
        }
        let waiting = self.0.take().ok_or(io::ErrorKind::NotFound)?;
        Ok((waiting.pid, waiting.handle, waiting.stream))
    }

    /// For another process that was forked: this is not its own.
    fn leave_to_parent(mut self) {
        self.0.take();
    }
}

impl Drop for Offspring {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Waiting::end) {
            debug!(%error, "a forked process cannot be waited for");
        }
    }
}

/// The process itself, before it is a side.
#[derive(Debug)]
pub(crate) struct Unborn {
    stream: UnixStream,
}

impl Unborn {
    /// Has the parent go on, which waits until what is to be done first is done.
    pub(crate) fn prepared(&mut self) {
        // That it is dead shows soon.
        let _ = self.stream.write_all(&[0]);
    }

    /// Waits until it is told what to be: its arguments and the stream to its parent. `None`: that has no use for it and has said
    /// why, or is dead.
    pub(crate) fn told(mut self) -> Option<(Vec<OsString>, UnixStream)> {
        let words = self.words().ok()?;
        let words = words.split(|byte| *byte == 0);
        let words = words.map(|word| OsStr::from_bytes(word).to_owned());
        Some((words.collect(), self.stream))
    }

    fn words(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length).min(LONGEST);
        let mut words = Vec::new();
        (&mut self.stream)
            .take(length.into())
            .read_to_end(&mut words)?;
        self.stream.set_nonblocking(true)?;
        Ok(words)
    }
}

/// Those of which each becomes a side, unless they could not be made: then it is started as a program.
#[derive(Debug, Default)]
pub struct Nursery {
    pub(crate) checker: Option<Offspring>,
    pub(crate) routers: Option<Offspring>,
    /// Standard input of the routers.
    pub(crate) beats: Option<BeatTable>,
}

impl Nursery {
    /// Makes the process that becomes the checker side, and waits until it is [prepared](Unborn::prepared). There, this does not
    /// return: what `live` returns is the exit code. Both processes have `both` then.
    pub(crate) fn fork_checker<T>(&mut self, both: T, live: impl FnOnce(T, Unborn) -> u8) -> T {
        let stdin = File::open("/dev/null").map(OwnedFd::from);
        let (both, forked) = self.fork(Side::Checker, stdin, both, live);
        self.checker = unless_failed(Side::Checker, forked).and_then(Offspring::prepared);
        both
    }

    /// The same for that of the virtual routers, for which nothing waits.
    pub(crate) fn fork_routers(&mut self, live: impl FnOnce(Unborn) -> u8) {
        let beats = BeatTable::new().and_then(|beats| Ok((beats.handle()?, beats)));
        let stdin = beats.map(|(stdin, beats)| {
            self.beats = Some(beats);
            stdin
        });
        let ((), forked) = self.fork(Side::Routers, stdin, (), |(), unborn| live(unborn));
        self.routers = unless_failed(Side::Routers, forked);
    }

    fn fork<T>(
        &mut self,
        side: Side,
        stdin: io::Result<OwnedFd>,
        both: T,
        live: impl FnOnce(T, Unborn) -> u8,
    ) -> (T, io::Result<Offspring>) {
        let made = || {
            // Where there are no such handles, none is forked.
            pidfd_open(getpid(), PidfdFlags::empty())?;
            Ok((stdin?, UnixStream::pair()?, sys::fork()?))
        };
        let (stdin, (here, there), forked) = match made() {
            Ok(made) => made,
            Err(error) => return (both, Err(error)),
        };
        let pid = match forked {
            Forked::Parent(pid) => pid,
            Forked::Child => {
                drop(here);
                // Of the others, only the parent may hold the ends: they are to see when it dies.
                let Self {
                    checker, routers, ..
                } = std::mem::take(self);
                let others = [checker, routers];
                others
                    .into_iter()
                    .flatten()
                    .for_each(Offspring::leave_to_parent);
                let life = || become_one(side, stdin, there, |unborn| live(both, unborn));
                // What this process holds besides is the parent's, and not to be cleaned up here.
                let code = catch_unwind(AssertUnwindSafe(life)).map_or(PANICKED, i32::from);
                process::exit(code)
            }
        };
        let handle = pidfd_open(pid, PidfdFlags::empty());
        let offspring = handle.map(|handle| {
            Offspring(Some(Waiting {
                pid,
                handle,
                stream: here,
            }))
        });
        (both, offspring.map_err(Into::into))
    }
}

fn unless_failed(side: Side, forked: io::Result<Offspring>) -> Option<Offspring> {
    forked
        .inspect_err(|error| debug!(%side, %error, "the process of the {side} is not forked"))
        .ok()
}

/// In the new process.
fn become_one(
    side: Side,
    stdin: OwnedFd,
    stream: UnixStream,
    live: impl FnOnce(Unborn) -> u8,
) -> u8 {
    // As of one that is started as a program.
    let begun = setpgid(None, None).and_then(|()| dup2_stdin(stdin.as_fd()));
    drop(stdin);
    name(side);
    match begun {
        Ok(()) => live(Unborn { stream }),
        Err(error) => {
            debug!(%side, %error, "the process of the {side} has not begun");
            // As below: what `live` holds is the parent's too.
            process::exit(1)
        }
    }
}

/// What `ps` and `top` show.
fn name(side: Side) {
    let name = std::ffi::CString::new(side.name()).unwrap_or_default();
    // It is for the eye only.
    let _ = rustix::thread::set_name(&name);
}

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

use rustix::process::{Pid, PidfdFlags, pidfd_open, setpgid};
use rustix::stdio::dup2_stdin;
use tracing::debug;

use super::{BeatTable, Side};
use crate::sys::{self, Forked};

/// The exit code of a process that panicked, as of all others in Rust.
const PANICKED: i32 = 101;

/// Its arguments are longer than this only by mistake.
const LONGEST: u32 = 64 << 10;

/// So long it may prepare itself.
const PREPARING: Duration = Duration::from_secs(30);

/// A process that waits to be told what to be: see [`Offspring::begin`]. It ends when this is dropped before.
#[derive(Debug)]
pub(crate) struct Offspring {
    pub(super) pid: Pid,
    pub(super) handle: OwnedFd,
    stream: UnixStream,
}

impl Offspring {
    /// Waits until it has [prepared](Unborn::prepared) itself.
    fn prepared(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PREPARING))?;
        self.stream.read_exact(&mut [0])
    }

    /// Has it begin as if it had been started with these arguments. What is said to it then goes through the stream.
    pub(super) fn begin(
        mut self,
        arguments: &[OsString],
    ) -> io::Result<(Pid, OwnedFd, UnixStream)> {
        let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_bytes()).collect();
        let words = words.join(&0);
        let length = u32::try_from(words.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.stream.write_all(&length.to_be_bytes())?;
        self.stream.write_all(&words)?;
        self.stream.set_nonblocking(true)?;
        Ok((self.pid, self.handle, self.stream))
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
        let prepared = forked.and_then(|mut forked| forked.prepared().map(|()| forked));
        self.checker = unless_failed(Side::Checker, prepared);
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
        let made = || Ok((stdin?, UnixStream::pair()?, sys::fork()?));
        let (stdin, (here, there), forked) = match made() {
            Ok(made) => made,
            Err(error) => return (both, Err(error)),
        };
        let pid = match forked {
            Forked::Parent(pid) => pid,
            Forked::Child => {
                drop(here);
                // Of the others, only the parent may hold the ends: they are to see when it dies.
                *self = Self::default();
                let life = || become_one(side, stdin, there, |unborn| live(both, unborn));
                // What this process holds besides is the parent's, and not to be cleaned up here.
                let code = catch_unwind(AssertUnwindSafe(life)).map_or(PANICKED, i32::from);
                process::exit(code)
            }
        };
        let handle = pidfd_open(pid, PidfdFlags::empty());
        let offspring = handle.map(|handle| Offspring {
            pid,
            handle,
            stream: here,
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
            1
        }
    }
}

/// What `ps` and `top` show.
fn name(side: Side) {
    let name = std::ffi::CString::new(side.name()).unwrap_or_default();
    // It is for the eye only.
    let _ = rustix::thread::set_name(&name);
}

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

use rustix::process::{Pid, PidfdFlags, pidfd_open, setpgid};
use rustix::stdio::dup2_stdin;
use tracing::debug;

use super::{BeatTable, Side};
use crate::sys::{self, Forked};

/// The exit code of a process that panicked, as of all others in Rust.
const PANICKED: i32 = 101;

/// Its arguments are longer than this only by mistake.
const LONGEST: u32 = 64 << 10;

/// A process that waits to be told what to be: see [`Offspring::begin`]. It ends when this is dropped before.
#[derive(Debug)]
pub(crate) struct Offspring {
    pub(super) pid: Pid,
    pub(super) handle: OwnedFd,
    stream: UnixStream,
}

impl Offspring {
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

/// Those of which each becomes a side, unless they could not be made: then it is started as a program.
#[derive(Debug, Default)]
pub struct Nursery {
    pub(crate) checker: Option<Offspring>,
    pub(crate) routers: Option<Offspring>,
    /// Standard input of the routers.
    pub(crate) beats: Option<BeatTable>,
}

impl Nursery {
    /// Makes the process that becomes the checker side. There, this does not return: `live` is called with the arguments and
    /// the stream to the parent, and what it returns is the exit code.
    pub(crate) fn fork_checker(&mut self, live: impl FnOnce(Vec<OsString>, UnixStream) -> u8) {
        let stdin = File::open("/dev/null").map(OwnedFd::from);
        let forked = stdin.and_then(|stdin| self.fork(Side::Checker, stdin, live));
        self.checker = unless_failed(Side::Checker, forked);
    }

    /// The same for that of the virtual routers.
    pub(crate) fn fork_routers(&mut self, live: impl FnOnce(Vec<OsString>, UnixStream) -> u8) {
        let beats = BeatTable::new().and_then(|beats| Ok((beats.handle()?, beats)));
        let forked = beats.and_then(|(stdin, beats)| {
            self.beats = Some(beats);
            self.fork(Side::Routers, stdin, live)
        });
        self.routers = unless_failed(Side::Routers, forked);
    }

    fn fork(
        &mut self,
        side: Side,
        stdin: OwnedFd,
        live: impl FnOnce(Vec<OsString>, UnixStream) -> u8,
    ) -> io::Result<Offspring> {
        let (here, there) = UnixStream::pair()?;
        let pid = match sys::fork()? {
            Forked::Parent(pid) => pid,
            Forked::Child => {
                drop(here);
                // Of the others, only the parent may hold the ends: they are to see when it dies.
                *self = Self::default();
                let life = || become_one(side, stdin, there, live);
                // What this process holds besides is the parent's, and not to be cleaned up here.
                let code = catch_unwind(AssertUnwindSafe(life)).map_or(PANICKED, i32::from);
                process::exit(code)
            }
        };
        let handle = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Offspring {
            pid,
            handle,
            stream: here,
        })
    }
}

fn unless_failed(side: Side, forked: io::Result<Offspring>) -> Option<Offspring> {
    forked
        .inspect_err(|error| debug!(%side, %error, "the process of the {side} is not forked"))
        .ok()
}

/// In the new process: waits until it is told what to be.
fn become_one(
    side: Side,
    stdin: OwnedFd,
    mut stream: UnixStream,
    live: impl FnOnce(Vec<OsString>, UnixStream) -> u8,
) -> u8 {
    let ready = || -> io::Result<Vec<OsString>> {
        // As of one that is started as a program.
        setpgid(None, None)?;
        dup2_stdin(stdin.as_fd())?;
        drop(stdin);
        name(side);
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length).min(LONGEST);
        let mut words = Vec::new();
        (&mut stream).take(length.into()).read_to_end(&mut words)?;
        stream.set_nonblocking(true)?;
        let words = words.split(|byte| *byte == 0);
        Ok(words
            .map(|word| OsStr::from_bytes(word).to_owned())
            .collect())
    };
    match ready() {
        Ok(arguments) => live(arguments, stream),
        // The parent has no use for it: it has said why, or it is dead.
        Err(_) => 0,
    }
}

/// What `ps` and `top` show.
fn name(side: Side) {
    let name = std::ffi::CString::new(side.name()).unwrap_or_default();
    // It is for the eye only.
    let _ = rustix::thread::set_name(&name);
}

//! Starting a side as a process.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio::process::Command;

use super::running::Running;
use super::{Offspring, Side};

/// The program that runs, even if its file has been replaced or removed.
const MYSELF: &str = "/proc/self/exe";

/// How a side is started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) side: Side,
    /// Where it listens for its parent, see [`socket_path`].
    pub(crate) socket: PathBuf,
    /// What it is told beyond that, as `--name lb-a`.
    pub(crate) arguments: Vec<OsString>,
    /// Its standard input, if not empty: the table of beats.
    pub(crate) beats: Option<OwnedFd>,
    /// A process that waits to become the side, once.
    offspring: Option<Offspring>,
    /// Another program than this one, for tests.
    program: PathBuf,
}

impl Launch {
    /// The side as a process of this program, with its socket beside the control socket.
    pub(crate) fn new(side: Side, control_socket: &Path) -> Self {
        Self {
            side,
            socket: socket_path(control_socket, side),
            arguments: Vec::new(),
            beats: None,
            offspring: None,
            program: PathBuf::from(MYSELF),
        }
    }

    /// Tells it something more.
    pub(crate) fn arguments<A: Into<OsString>>(
        mut self,
        more: impl IntoIterator<Item = A>,
    ) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Gives it the table of beats.
    pub(crate) fn beats(mut self, table: OwnedFd) -> Self {
        self.beats = Some(table);
        self
    }

    /// Has this process become the side, the first time.
    pub(crate) fn offspring(mut self, offspring: Option<Offspring>) -> Self {
        self.offspring = offspring;
        self
    }

    /// Starts it. One that was forked has a stream to it already. Needs a runtime.
    pub(super) fn spawn(&mut self) -> io::Result<(Running, Option<UnixStream>)> {
        if let Some(offspring) = self.offspring.take() {
            let (pid, handle, stream) = offspring.begin(&self.words())?;
            let stream = UnixStream::from_std(stream)?;
            return Ok((Running::forked(pid, handle)?, Some(stream)));
        }
        let mut command = Command::new(&self.program);
        if self.program == Path::new(MYSELF) {
            command.arg0("director").arg("child");
            command.args(self.words());
        } else {
            command.args(&self.arguments);
        }
        // Standard input is the one descriptor that can be handed on without a moment in which others inherit it too.
        match &self.beats {
            Some(table) => command.stdin(table.try_clone()?),
            None => command.stdin(Stdio::null()),
        };
        // The terminal's SIGINT is for the parent.
        command.process_group(0);
        // Killed only by decision: at the parent's end it hands over.
        command.kill_on_drop(false);
        Ok((Running::Started(command.spawn()?), None))
    }

    /// What it is told, as arguments of `director child`.
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![
            self.side.name().into(),
            "--socket".into(),
            self.socket.clone().into(),
            "--parent".into(),
            std::process::id().to_string().into(),
        ];
        words.extend(self.beats.is_some().then(|| "--beats".into()));
        words.extend(self.arguments.iter().cloned());
        words
    }
}

/// Where a side listens: `control.sock` makes `control.routers.sock`.
pub(crate) fn socket_path(control_socket: &Path, side: Side) -> PathBuf {
    let stem = control_socket.file_stem().unwrap_or_default();
    let mut name = stem.to_owned();
    name.push(format!(".{side}"));
    if let Some(extension) = control_socket.extension() {
        name.push(".");
        name.push(extension);
    }
    control_socket.with_file_name(name)
}

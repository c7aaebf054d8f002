//! Starting a side as a process.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::Side;

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

    /// Starts it.
    pub(super) fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        if self.program == Path::new(MYSELF) {
            command.arg0("director").args(["child", self.side.name()]);
            command.arg("--socket").arg(&self.socket);
            command.args(["--parent", &std::process::id().to_string()]);
        }
        command.args(&self.arguments);
        // Standard input is the one descriptor that can be handed on without a moment in which others inherit it too.
        match &self.beats {
            Some(table) => command.arg("--beats").stdin(table.try_clone()?),
            None => command.stdin(Stdio::null()),
        };
        // The terminal's SIGINT is for the parent.
        command.process_group(0);
        // Killed only by decision: at the parent's end it hands over.
        command.kill_on_drop(false);
        command.spawn()
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

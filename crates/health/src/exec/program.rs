//! A program in a process group of its own, which ends with the future that runs it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};
use thiserror::Error;
use tokio::process::Child;

use super::User;
use crate::sys;

/// Where a program finds others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program cannot be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecConfigError {
    /// The file cannot be looked at: above all, it is not there.
    #[error("the program cannot be found")]
    Missing(#[source] io::Error),
    /// The path does not begin with `/`.
    #[error("the program's path is not absolute")]
    NotAbsolute,
    /// The file is not executable by anybody.
    #[error("the program is not executable")]
    NotExecutable,
    /// The path is of a directory or something else that is no file.
    #[error("the program is not a file")]
    NotFile,
    /// An argument has a byte 0 in it, where the kernel would end it.
    #[error("an argument has a byte 0 in it")]
    Nul,
}

/// A program that can be run, as often as needed.
///
/// It starts in the directory `/`, in a process group of its own, with nothing to read, nobody who reads what it
/// writes, and no environment but `PATH` and what [`environment`](Self::environment) adds. It is not given to a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    user: Option<User>,
    environment: BTreeMap<OsString, OsString>,
}

impl Program {
    /// The program at `path`, run as `user`, or as the user of this process.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, or where there is no executable file now.
    pub fn new(path: impl Into<PathBuf>, user: Option<User>) -> Result<Self, ExecConfigError> {
        let path = path.into();
        if !path.is_absolute() {
            return Err(ExecConfigError::NotAbsolute);
        }
        let file = fs::metadata(&path).map_err(ExecConfigError::Missing)?;
        if !file.is_file() {
            return Err(ExecConfigError::NotFile);
        }
        if file.permissions().mode() & 0o111 == 0 {
            return Err(ExecConfigError::NotExecutable);
        }
        Ok(Self {
            path,
            user,
            environment: BTreeMap::from([("PATH".into(), PATH.into())]),
        })
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn environment(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Runs it with `arguments` and waits for its end.
    ///
    /// When the future is dropped before, the program and all that it started is killed (`SIGKILL`), but for processes
    /// that have left its process group. What it leaves running when it ends by itself is left alone.
    ///
    /// # Errors
    ///
    /// The program could not be started, or an argument or a variable has a byte 0 in it.
    pub async fn run<A>(&self, arguments: impl IntoIterator<Item = A>) -> io::Result<ExitStatus>
    where
        A: AsRef<OsStr>,
    {
        let command = self.command(arguments);
        // Forking takes a large process some time, in which nothing else would be checked.
        let starting = tokio::task::spawn_blocking(move || Group::start(command));
        let mut group = starting.await.map_err(io::Error::other)??;
        group.ended().await
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
            sys::keep_no_privileges(&mut command);
        }
        command
    }
}

/// A program that runs, and its process group, which is killed on dropping.
#[derive(Debug)]
struct Group {
    child: Child,
}

impl Group {
    fn start(command: Command) -> io::Result<Self> {
        let child = tokio::process::Command::from(command).spawn()?;
        Ok(Self { child })
    }

    async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once its end has been noticed there is no number any more, which may be another's by now.
        let number = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(leader) = number.and_then(Pid::from_raw) {
            // That there is nobody left is no error. Tokio waits for the program, so that it does not stay a zombie.
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

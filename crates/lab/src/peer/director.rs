//! Our own program as a peer.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::{Child, Host, LabError, Signal, wait_until};

/// A `director` running in a [`Host`], with its configuration and its control socket in a directory under the host's
/// own `/run`, so they are seen from inside the host only.
#[derive(Debug)]
pub struct Director {
    child: Child,
    program: PathBuf,
    directory: PathBuf,
    socket_is_ours: bool,
    host: Host,
}

impl Director {
    /// Runs `program run -c FILE` in `host`. `toml` is the configuration; unless it has a `[director]` section itself,
    /// one with the host's name and a control socket is put before it.
    ///
    /// # Errors
    ///
    /// What the file system or the kernel answers.
    pub fn start(host: &Host, program: &Path, toml: &str) -> Result<Self, LabError> {
        let directory = host.directory("director")?;
        let config = directory.join("director.toml");
        host.write(&config, &complete(host, &directory, toml))?;
        let mut command = Command::new(program);
        command.args(["run", "-c"]).arg(config);
        let child = host.spawn(command)?;
        Ok(Self {
            child,
            program: program.to_owned(),
            directory,
            socket_is_ours: !has_own_section(toml),
            host: host.clone(),
        })
    }

    /// Its process: signals, log and end.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Its configuration file, as the host sees it.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.join("director.toml")
    }

    /// Its control socket, as the host sees it, if the configuration left that to the laboratory.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    /// Runs the program with other arguments in the same host, to its end.
    ///
    /// # Errors
    ///
    /// As [`Host::output`].
    pub fn command<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Output, LabError> {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        self.host.output(command)
    }

    /// What `status --json` says.
    ///
    /// # Errors
    ///
    /// As [`command`](Self::command), or [`LabError::Unexpected`] if it is not JSON.
    pub fn status(&self) -> Result<serde_json::Value, LabError> {
        let mut command = Command::new(&self.program);
        command.args(["status", "--json", "-c"]).arg(self.config());
        let output = self.host.output(command)?;
        serde_json::from_slice(&output.stdout).map_err(|source| LabError::Unexpected {
            command: "director status --json".to_owned(),
            source,
        })
    }

    /// A number that its status tells of one of its processes, such as `pid` of `routers`; `None`: it tells none now.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn of_process(&self, name: &str, field: &str) -> Result<Option<u64>, LabError> {
        let status = self.status()?;
        let processes = status.get("processes").and_then(|all| all.as_array());
        let process = processes
            .into_iter()
            .flatten()
            .find(|process| process.get("name").is_some_and(|is| is == name));
        Ok(process.and_then(|process| process.get(field)?.as_u64()))
    }

    /// Waits until one of its processes has been started again so often, and has answered since.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with its log.
    pub fn wait_restarts(
        &self,
        name: &str,
        restarts: u64,
        bound: Duration,
    ) -> Result<(), LabError> {
        let number = |field| self.of_process(name, field).ok().flatten();
        let mut first_answers = None;
        wait_until("a process to be started again", bound, || {
            if number("restarts") != Some(restarts) || number("pid").is_none() {
                return false;
            }
            let answers = number("answers");
            answers > *first_answers.get_or_insert(answers)
        })
        .map_err(|_| LabError::Timeout {
            awaited: format!(
                "the {name} process to be started again; the log:\n{}",
                self.child.log().text()
            ),
            bound,
        })
    }

    /// Sends a signal to one of its processes.
    ///
    /// # Errors
    ///
    /// As [`Host::signal`], also if it does not run.
    pub fn signal_process(&self, name: &str, signal: Signal) -> Result<(), LabError> {
        let pid = self.of_process(name, "pid")?;
        // No process has the number 0, which the host refuses.
        let pid = pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        self.host.signal(pid, signal)
    }

    /// Posts an action, such as `{"action": "reload"}`, to its control socket, and returns the answer. Its own command
    /// would have to start first.
    ///
    /// # Errors
    ///
    /// [`LabError::Io`] without an answer within `bound`, [`LabError::Unexpected`] if that is not JSON.
    pub fn act(
        &self,
        action: &serde_json::Value,
        bound: Duration,
    ) -> Result<serde_json::Value, LabError> {
        let (socket, body) = (self.control_socket(), action.to_string());
        let answer = self.host.run(move || -> io::Result<String> {
            let mut stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(bound))?;
            let length = body.len();
            write!(
                stream,
                "POST /api/v1/actions HTTP/1.1\r\nHost: director\r\nConnection: close\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        let answer = answer.map_err(|source| LabError::Io {
            attempt: "ask a director to act",
            source,
        })?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(|source| LabError::Unexpected {
            command: action.to_string(),
            source,
        })
    }

    /// Waits until it answers on its control socket.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with its log, if it does not, or has ended.
    pub fn wait_ready(&self, bound: Duration) -> Result<(), LabError> {
        let ready = wait_until("director to answer", bound, || {
            !self.child.is_running() || (self.listens() && self.status().is_ok())
        });
        if ready.is_ok() && self.child.is_running() {
            return Ok(());
        }
        let awaited = format!("director to answer; its log:\n{}", self.child.log().text());
        Err(LabError::Timeout { awaited, bound })
    }

    /// Is somebody behind its control socket? To ask that with its program takes much longer.
    fn listens(&self) -> bool {
        if !self.socket_is_ours {
            return true;
        }
        let socket = self.control_socket();
        self.host.run(|| UnixStream::connect(socket)).is_ok()
    }

    /// Gives it another configuration, which it does not read yet. `toml` is completed as by [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// What the file system or the kernel answers.
    pub fn rewrite(&self, toml: &str) -> Result<(), LabError> {
        let toml = complete(&self.host, &self.directory, toml);
        self.host.write(&self.config(), &toml)
    }

    /// Gives it another configuration and asks it to read that (SIGHUP). `toml` is completed as by [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// What the file system or the kernel answers.
    pub fn reload(&self, toml: &str) -> Result<(), LabError> {
        self.rewrite(toml)?;
        self.child.signal(Signal::Hup)
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    ///
    /// As [`Child::terminate`].
    pub fn stop(&self, bound: Duration) -> Result<(), LabError> {
        self.child.terminate(bound).map(drop)
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

fn has_own_section(toml: &str) -> bool {
    toml.lines().any(|line| line.trim() == "[director]")
}

fn complete(host: &Host, directory: &Path, toml: &str) -> String {
    if has_own_section(toml) {
        return toml.to_owned();
    }
    let socket = socket_in(directory);
    format!(
        "[director]\nname = \"{}\"\ncontrol_socket = \"{}\"\n\n{toml}",
        host.name(),
        socket.display()
    )
}

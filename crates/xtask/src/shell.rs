//! One external command: how it is built, shown and run.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, bail};

use crate::workspace;

/// A command to run in the workspace root.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    envs: Vec<(String, OsString)>,
}

impl Cmd {
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
        }
    }

    /// `cargo` with the words of `line` as its arguments.
    pub(crate) fn cargo(line: &str) -> Self {
        Self::new("cargo").words(line)
    }

    /// Adds the words of `line`, split at white space.
    pub(crate) fn words(self, line: &str) -> Self {
        self.args(line.split_whitespace())
    }

    pub(crate) fn arg(self, arg: impl Into<OsString>) -> Self {
        self.args([arg])
    }

    pub(crate) fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, key: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.envs.push((key.into(), value.into()));
        self
    }

    /// The same command behind another one, such as `sudo` or `timeout`.
    pub(crate) fn behind(self, prefix: &str) -> Self {
        let mut words = prefix.split_whitespace().map(OsString::from);
        let Some(program) = words.next() else {
            return self;
        };
        let args = words.chain([self.program]).chain(self.args).collect();
        Self {
            program,
            args,
            envs: self.envs,
        }
    }

    fn to_command(&self) -> Command {
        // Cargo names itself in CARGO; it need not be on the PATH.
        let cargo = (self.program == "cargo")
            .then(|| std::env::var_os("CARGO"))
            .flatten();
        let mut command = Command::new(cargo.as_deref().unwrap_or(&self.program));
        command
            .args(&self.args)
            .envs(self.envs.iter().cloned())
            .current_dir(workspace::root());
        command
    }

    /// Prints and runs the command.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        println!("\n$ {self}");
        let status = self
            .to_command()
            .status()
            .with_context(|| format!("cannot start {self}"))?;
        check(status)
    }

    /// Prints and starts the command, without waiting for its end.
    pub(crate) fn spawn(&self) -> anyhow::Result<Child> {
        println!("\n$ {self}");
        self.to_command()
            .spawn()
            .with_context(|| format!("cannot start {self}"))
    }

    /// As [`run`](Self::run), and shows each line of standard output to `see` too.
    pub(crate) fn run_seeing(&self, mut see: impl FnMut(&str)) -> anyhow::Result<()> {
        println!("\n$ {self}");
        let mut command = self.to_command();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {self}"))?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).split(b'\n') {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                see(&line);
            }
        }
        check(child.wait()?)
    }

    /// Standard output of a command that only asks something; not printed.
    pub(crate) fn ask(&self) -> anyhow::Result<String> {
        let output = self
            .to_command()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {self}"))?;
        check(output.status).with_context(|| format!("{self}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn check(status: ExitStatus) -> anyhow::Result<()> {
    // `timeout` from coreutils says 124 when the time is up.
    match status.code() {
        Some(0) => Ok(()),
        Some(124) => bail!("took too long (exit 124)"),
        Some(code) => bail!("exit {code}"),
        None => bail!("killed ({status})"),
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.envs {
            write!(f, "{key}={} ", quoted(value))?;
        }
        write!(f, "{}", quoted(&self.program))?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// As one would type it into a shell.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Looks for a program on the PATH, and where Debian keeps what only root uses.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    search_path()
        .into_iter()
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for directory in ["/usr/sbin", "/sbin"].map(PathBuf::from) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let cmd = Cmd::cargo("doc --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .arg("it's");
        assert_eq!(
            cmd.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }

    #[test]
    fn a_prefix_keeps_the_command_and_its_environment() {
        let cmd = Cmd::new("apt-get")
            .words("update")
            .env("LC_ALL", "C")
            .behind("sudo -E");
        assert_eq!(cmd.to_string(), "LC_ALL=C sudo -E apt-get update");
    }

    #[test]
    fn a_failing_command_is_an_error_that_says_its_status() {
        let error = Cmd::new("sh").args(["-c", "exit 3"]).run().unwrap_err();
        assert_eq!(error.to_string(), "exit 3");
        let error = Cmd::new("sleep")
            .arg("9")
            .behind("timeout 0.05")
            .run()
            .unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }

    #[test]
    fn output_is_seen_line_by_line_even_if_it_is_not_utf8() {
        let mut lines = Vec::new();
        Cmd::new("printf")
            .arg(r"one\n\377two\n")
            .run_seeing(|l| lines.push(l.to_owned()))
            .unwrap();
        assert_eq!(lines, ["one", "\u{fffd}two"]);
    }

    #[test]
    fn a_missing_program_is_not_found() {
        assert!(which("sh").is_some());
        assert_eq!(which("no-such-program-on-any-machine"), None);
    }
}

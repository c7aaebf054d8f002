//! Network namespaces to test in. Nothing in them reaches the machine's own interfaces, and they vanish with the threads.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use locum_netlink::{Namespace, Worker};

const LIMIT: Duration = Duration::from_secs(30);

/// A network namespace and a thread that lives in it.
pub(crate) struct Host {
    worker: Worker<()>,
    pub(crate) namespace: Namespace,
}

impl Host {
    pub(crate) fn new() -> io::Result<Self> {
        let worker = Worker::start("host", &Namespace::default(), || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(|error| {
                io::Error::other(format!(
                    "this test makes a network namespace and needs root (CAP_SYS_ADMIN, \
                     CAP_NET_ADMIN, CAP_NET_RAW): {error}"
                ))
            })
        })?;
        let namespace = worker.run_blocking(LIMIT, |()| Namespace::of_this_thread());
        let host = Self {
            worker,
            namespace: namespace.map_err(io::Error::other)??,
        };
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Two hosts, joined by the link `a` (of the first) and `b` (of the second).
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, two) = (Self::new()?, Self::new()?);
        let other = two.run(nix::unistd::gettid)?;
        one.ip(&format!(
            "link add name a type veth peer name b netns {other}"
        ))?;
        one.ip("link set dev a up")?;
        two.ip("link set dev b up")?;
        Ok((one, two))
    }

    /// Runs `job` in the namespace.
    pub(crate) fn run<T, F>(&self, job: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.worker
            .run_blocking(LIMIT, move |()| job())
            .map_err(io::Error::other)
    }

    /// The output of `ip ARGUMENTS` (Debian: iproute2).
    pub(crate) fn ip(&self, arguments: &str) -> io::Result<String> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        self.run(move || run_ip(&arguments, ""))?
    }

    /// Runs many `ip` commands, one a line, in one process.
    pub(crate) fn ip_batch(&self, commands: String) -> io::Result<String> {
        self.run(move || run_ip(&["-batch".to_owned(), "-".to_owned()], &commands))?
    }

    /// The number of the interface `name`.
    pub(crate) fn index(&self, name: &str) -> io::Result<u32> {
        let line = self.ip(&format!("-o link show dev {name}"))?;
        let index = line.split(':').next().and_then(|index| index.parse().ok());
        index.ok_or_else(|| io::Error::other(format!("no index in {line:?}")))
    }
}

fn run_ip(arguments: &[String], input: &str) -> io::Result<String> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let message = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!(
            "ip {}: {message}",
            arguments.join(" ")
        )))
    }
}

//! A server in a host of its own.

use std::net::{SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use locum_health::{CheckError, HealthCheck, Pass};
use locum_lab::{Child, Host, wait_until};
use tempfile::TempDir;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(30);

/// A host with a directory for what a server needs.
pub(crate) struct Place {
    host: Host,
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            host: Host::new("server").unwrap(),
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file, with `{here}` standing for the directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        let here = self.path().to_str().unwrap();
        std::fs::write(&path, text.replace("{here}", here)).unwrap();
        path
    }

    /// Puts one of our files where the server looks, for it alone: the host has mounts of its own.
    pub(crate) fn cover(&self, file: &Path, with: &Path) {
        let mut mount = Command::new("mount");
        mount.arg("--bind").args([with, file]);
        self.host.output(mount).unwrap();
    }

    /// Starts a server that stays in the foreground, and waits until it accepts connections to all of `ports`.
    pub(crate) fn start(self, command: Command, ports: &[u16]) -> Server {
        let child = self.host.spawn(command).unwrap();
        for &port in ports {
            let accepts = || {
                let status = child.status();
                assert!(status.is_none(), "{status:?}: {}", child.log().text());
                self.host.run(move || TcpStream::connect(at(port)).is_ok())
            };
            if let Err(error) = wait_until("the server to listen", BOUND, accepts) {
                panic!("port {port}: {error}: {}", child.log().text());
            }
        }
        Server { child, place: self }
    }

    /// What `check` finds at the port, asked from within the host.
    fn check(&self, port: u16, check: impl HealthCheck + 'static) -> Result<Pass, CheckError> {
        self.block_on(async move {
            tokio::time::timeout(BOUND, check.check(at(port)))
                .await
                .unwrap_or(Err(CheckError::Timeout))
        })
    }

    fn block_on<T: Send + 'static>(&self, job: impl Future<Output = T> + Send + 'static) -> T {
        let thread = self.host.thread("check", || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(job)
        });
        let result = thread.unwrap().join();
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

pub(crate) fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A server that runs, and is ended on dropping, with its host and all processes in it.
pub(crate) struct Server {
    child: Child,
    place: Place,
}

impl Server {
    /// What `check` finds at the port.
    pub(crate) fn check(
        &self,
        port: u16,
        check: impl HealthCheck + 'static,
    ) -> Result<Pass, CheckError> {
        self.place.check(port, check)
    }

    /// Stops it, and shows that `check` notices.
    pub(crate) fn stop(self, port: u16, check: impl HealthCheck + 'static) {
        let Self { child, place } = self;
        child.terminate(BOUND).unwrap();
        drop(child);
        // One that it has forked for a connection has its listening socket too.
        wait_until("its processes to end", BOUND, || {
            place.host.processes().is_empty()
        })
        .unwrap();
        let result = place.check(port, check);
        assert!(matches!(result, Err(CheckError::Refused)), "{result:?}");
    }
}

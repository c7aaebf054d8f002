//! A web server: one thread, one poll loop.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::set_socket_linger;

use super::http::{self, Parsed};
use crate::{Host, LabError};

/// A small web server in a host. It answers `GET /` with the host's name, `/health` with a status that can be switched,
/// and from `/echo` on it sends back whatever comes (see [`LongConnection`](super::LongConnection)).
#[derive(Debug)]
pub struct WebServer {
    host: Host,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    health: AtomicU16,
    served: AtomicU64,
}

/// The thread, and what ends it when dropped.
#[derive(Debug)]
struct Running {
    wake: UnixStream,
    thread: JoinHandle<()>,
}

impl WebServer {
    /// Listens on these addresses of `host`, or wildcards: `[::]:80` is everything on port 80, of both IPs.
    ///
    /// # Errors
    ///
    /// The kernel's answer: most often that an address is in use, or not there.
    pub fn start(host: &Host, addresses: &[SocketAddr]) -> Result<Self, LabError> {
        let mut server = Self {
            host: host.clone(),
            addresses: addresses.to_owned(),
            shared: Arc::new(Shared {
                name: host.name().to_owned(),
                health: AtomicU16::new(200),
                served: AtomicU64::new(0),
            }),
            running: None,
        };
        server.resume()?;
        Ok(server)
    }

    /// Dies: its ports are closed and every connection is reset.
    pub fn stop(&mut self) {
        if let Some(Running { wake, thread }) = self.running.take() {
            drop(wake);
            let _ended = thread.join();
        }
    }

    /// Listens again after [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn resume(&mut self) -> Result<(), LabError> {
        if self.running.is_some() {
            return Ok(());
        }
        let addresses = self.addresses.clone();
        let listeners = self.host.run(move || {
            let all = addresses.iter().map(|address| {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            all.collect::<io::Result<Vec<_>>>()
        });
        let listeners = listeners.map_err(LabError::io("listen"))?;
        let (wake, ended) = UnixStream::pair().map_err(LabError::io("make a pair of sockets"))?;
        let shared = Arc::clone(&self.shared);
        let thread = self
            .host
            .thread("web server", move || serve(&shared, &listeners, &ended))?;
        self.running = Some(Running { wake, thread });
        Ok(())
    }

    /// Its host's name: what it answers.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Does it listen?
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The status of its page `/health` from now on; 200 at the start.
    pub fn set_health(&self, status: u16) {
        self.shared.health.store(status, Ordering::Relaxed);
    }

    /// How many requests it has answered, but for those for `/health`.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves until the other end of `wake` is gone.
fn serve(shared: &Shared, listeners: &[TcpListener], wake: &UnixStream) {
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let fixed = std::iter::once(wake.as_fd()).chain(listeners.iter().map(AsFd::as_fd));
        let all: Vec<BorrowedFd<'_>> = fixed
            .chain(connections.iter().map(|each| each.stream.as_fd()))
            .collect();
        let mut polled: Vec<_> = all
            .iter()
            .map(|fd| PollFd::new(fd, PollFlags::IN))
            .collect();
        if poll(&mut polled, None).is_err() {
            continue;
        }
        let mut ready = polled.iter().map(|each| !each.revents().is_empty());
        if ready.next() == Some(true) {
            break;
        }
        let listening: Vec<bool> = ready.by_ref().take(listeners.len()).collect();
        let mut readable = ready.collect::<Vec<_>>().into_iter();
        connections.retain_mut(|each| readable.next() != Some(true) || each.go_on(shared));
        for (listener, _) in listeners.iter().zip(listening).filter(|(_, ready)| *ready) {
            while let Ok((stream, _)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    connections.push(Connection {
                        stream,
                        input: Vec::new(),
                        echoes: false,
                    });
                }
            }
        }
    }
    for connection in &connections {
        // So that closing it resets it.
        let _set = set_socket_linger(&connection.stream, Some(Duration::ZERO));
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    echoes: bool,
}

impl Connection {
    /// Takes what has come and answers it; false when the connection is over.
    fn go_on(&mut self, shared: &Shared) -> bool {
        let mut buffer = [0; 2048];
        match self.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => self
                .input
                .extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
        while !self.echoes && !self.input.is_empty() {
            let (request, length) = match http::parse_request(&self.input) {
                Parsed::Complete(request, length) => (request, length),
                Parsed::Incomplete => return true,
                Parsed::Malformed => return false,
            };
            self.input.drain(..length);
            let answer = match &*request.path {
                http::ECHO => {
                    self.echoes = true;
                    http::switching(&shared.name)
                }
                http::HEALTH => http::response(shared.health.load(Ordering::Relaxed), &shared.name),
                _ => {
                    shared.served.fetch_add(1, Ordering::Relaxed);
                    http::response(200, &shared.name)
                }
            };
            // What is sent fits the socket's buffer, or nobody reads it.
            if self.stream.write_all(answer.as_bytes()).is_err() || request.last {
                return false;
            }
        }
        let echo = std::mem::take(&mut self.input);
        echo.is_empty() || self.stream.write_all(&echo).is_ok()
    }
}

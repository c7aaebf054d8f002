//! One connection that stays: what becomes of it when its director does not?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::http::{self, Parsed};
use crate::{Host, LabError, clock, wait_until};

/// Between an echo and the next request for one.
const INTERVAL: Duration = Duration::from_millis(20);
/// After so long without an echo the connection counts as broken: TCP itself would go on for a quarter of an hour.
const PATIENCE: Duration = Duration::from_secs(60);
/// Often enough to notice the end.
const TICK: Duration = Duration::from_millis(100);

/// What a connection has been through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// Who is at its other end.
    pub server: String,
    /// How many echoes have come.
    pub echoes: u64,
    /// The longest time from a request for an echo to its coming.
    pub longest_pause: Duration,
    /// Why it broke; `None` if it did not.
    pub broken: Option<io::ErrorKind>,
}

#[derive(Debug)]
struct Shared {
    report: Mutex<(ConnectionReport, Stop)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    NotYet,
    Now,
}

/// A TCP connection to a [`WebServer`](super::WebServer), on which an echo is asked for 20 ms after the one before came.
#[derive(Debug)]
pub struct LongConnection {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LongConnection {
    /// Connects, and waits until the server has agreed to echo.
    ///
    /// # Errors
    ///
    /// The kernel's answer, or that there was none within `bound`.
    pub fn open(host: &Host, target: SocketAddr, bound: Duration) -> Result<Self, LabError> {
        let opened = host.run(move || {
            let mut stream = TcpStream::connect_timeout(&target, bound)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(bound))?;
            stream.write_all(http::get(http::ECHO).as_bytes())?;
            let server = agreed(&mut stream)?;
            stream.set_read_timeout(Some(TICK))?;
            Ok((stream, server))
        });
        let (stream, server) = opened.map_err(LabError::io("open a long connection"))?;
        let report = ConnectionReport {
            server,
            echoes: 0,
            longest_pause: Duration::ZERO,
            broken: None,
        };
        let shared = Arc::new(Shared {
            report: Mutex::new((report, Stop::NotYet)),
        });
        let ours = Arc::clone(&shared);
        let thread = host.thread("long connection", move || ours.echo(stream))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What it has been through so far.
    #[must_use]
    pub fn report(&self) -> ConnectionReport {
        self.shared.lock().0.clone()
    }

    /// Waits for `count` more echoes.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with what became of the connection.
    pub fn wait_echoes(&self, count: u64, bound: Duration) -> Result<(), LabError> {
        let wanted = self.report().echoes.saturating_add(count);
        let over = || {
            let report = self.report();
            report.echoes >= wanted || report.broken.is_some()
        };
        let waited = wait_until("echoes", bound, over);
        let report = self.report();
        if waited.is_ok() && report.broken.is_none() {
            return Ok(());
        }
        Err(LabError::Timeout {
            awaited: format!("{count} more echoes on {report:?}"),
            bound,
        })
    }

    /// Closes it, and reports.
    #[must_use]
    pub fn finish(mut self) -> ConnectionReport {
        self.join();
        self.report()
    }

    fn join(&mut self) {
        self.shared.lock().1 = Stop::Now;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for LongConnection {
    fn drop(&mut self) {
        self.join();
    }
}

fn agreed(stream: &mut TcpStream) -> io::Result<String> {
    let mut input = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match http::parse_response(&input) {
            Parsed::Complete(response, _) if response.status == 101 => return Ok(response.body),
            Parsed::Incomplete => {}
            Parsed::Complete(..) | Parsed::Malformed => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => input.extend_from_slice(buffer.get(..length).unwrap_or_default()),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (ConnectionReport, Stop)> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn echo(&self, mut stream: TcpStream) {
        for number in 0_u64.. {
            let result = self.one(&mut stream, number);
            let mut locked = self.lock();
            match result {
                Ok(()) => locked.0.echoes = locked.0.echoes.saturating_add(1),
                // The end was asked for while an echo was under way.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
                Err(error) => {
                    locked.0.broken = Some(error.kind());
                    return;
                }
            }
            if locked.1 == Stop::Now {
                return;
            }
            drop(locked);
            thread::sleep(INTERVAL);
        }
    }

    fn one(&self, stream: &mut TcpStream, number: u64) -> io::Result<()> {
        let sent = number.to_be_bytes();
        let start = clock::now();
        stream.write_all(&sent)?;
        let mut echo = Vec::new();
        while echo.len() < sent.len() {
            let mut buffer = [0; 8];
            let room = buffer
                .get_mut(..sent.len().saturating_sub(echo.len()))
                .unwrap_or_default();
            let read = stream.read(room);
            let waited = clock::now().duration_since(start);
            let mut locked = self.lock();
            locked.0.longest_pause = locked.0.longest_pause.max(waited);
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => echo.extend_from_slice(room.get(..length).unwrap_or_default()),
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && locked.1 == Stop::Now =>
                {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && waited < PATIENCE => {}
                Err(error) => return Err(error),
            }
        }
        if echo == sent {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

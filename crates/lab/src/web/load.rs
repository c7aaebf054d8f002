//! A client that makes requests at a rate, whatever becomes of them: one thread, one poll loop.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

use super::http::{self, Parsed};
use super::report::{Exchange, Failure, LoadReport};
use crate::{Host, LabError, clock, wait_until};

/// How often, and how patiently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadConfig {
    interval: Duration,
    timeout: Duration,
}

impl Default for LoadConfig {
    /// 50 requests a second, each of which may take a second.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(1),
        }
    }
}

impl LoadConfig {
    /// A request each `interval`, at least 1 ms.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// A request that takes longer has failed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

#[derive(Debug)]
struct Shared {
    start: u64,
    target: SocketAddr,
    config: LoadConfig,
    ended: Mutex<Vec<Exchange>>,
    stop: AtomicBool,
}

/// Requests `/` of one address from one host, each over a connection of its own, and records who served it.
///
/// Times are given since its start; see [`elapsed`](Self::elapsed).
#[derive(Debug)]
pub struct LoadClient {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LoadClient {
    /// Begins to make requests of `target`.
    ///
    /// # Errors
    ///
    /// The kernel's answer if a thread cannot be started.
    pub fn start(host: &Host, target: SocketAddr, config: LoadConfig) -> Result<Self, LabError> {
        let shared = Arc::new(Shared {
            start: clock::monotonic_nanos(),
            target,
            config,
            ended: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        let thread = host.thread("load client", move || ours.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// How long it has been at work: the clock of its reports.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.elapsed()
    }

    /// The requests that began after `from` and have ended.
    #[must_use]
    pub fn report_since(&self, from: Duration) -> LoadReport {
        self.shared.report(from)
    }

    /// Waits until `count` requests that began after now have ended and `wanted` holds of them: of the last `count`, as
    /// they come in.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with what the last ones were.
    pub fn wait(
        &self,
        awaited: &str,
        count: usize,
        bound: Duration,
        wanted: impl Fn(&LoadReport) -> bool,
    ) -> Result<LoadReport, LabError> {
        let from = self.elapsed();
        let mut last = LoadReport::default();
        let mut seen = 0;
        let waited = wait_until(awaited, bound, || {
            let ended = self.shared.ended().len();
            if ended == seen {
                return false;
            }
            seen = ended;
            let mut report = self.report_since(from);
            let surplus = report.exchanges.len().saturating_sub(count);
            report.exchanges.drain(..surplus);
            if let Some(first) = report.exchanges.first() {
                report.from = first.at;
            }
            last = report;
            last.exchanges.len() == count && wanted(&last)
        });
        match waited {
            Ok(()) => Ok(last),
            Err(_) => Err(LabError::Timeout {
                awaited: format!("{awaited}; the last requests: {last}"),
                bound,
            }),
        }
    }

    /// Waits until `count` requests in a row that began after now were served, by all of these servers and no other.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_served_by(
        &self,
        servers: &[&str],
        count: usize,
        bound: Duration,
    ) -> Result<LoadReport, LabError> {
        let mut sorted = servers.to_owned();
        sorted.sort_unstable();
        self.wait(
            &format!("{count} requests to be served by {}", servers.join(", ")),
            count,
            bound,
            |report| report.failed() == 0 && report.served().into_keys().eq(sorted.iter().copied()),
        )
    }

    /// Makes no more requests, waits for those under way, and reports on all.
    #[must_use]
    pub fn finish(mut self) -> LoadReport {
        let until = self.elapsed();
        self.join();
        LoadReport {
            until,
            ..self.shared.report(Duration::ZERO)
        }
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for LoadClient {
    fn drop(&mut self) {
        self.join();
    }
}

/// A request under way.
#[derive(Debug)]
struct Flight {
    at: Duration,
    socket: OwnedFd,
    /// Has the request been sent?
    asked: bool,
    input: Vec<u8>,
}

impl Shared {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(clock::monotonic_nanos().saturating_sub(self.start))
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, from: Duration) -> LoadReport {
        let all = self.ended();
        let exchanges = all.iter().filter(|each| each.at >= from).cloned().collect();
        LoadReport {
            from,
            until: self.elapsed(),
            exchanges,
        }
    }

    fn end(&self, at: Duration, result: Result<Arc<str>, Failure>) {
        let took = self.elapsed().saturating_sub(at);
        self.ended().push(Exchange { at, took, result });
    }

    fn run(&self) {
        let mut flights: Vec<Flight> = Vec::new();
        let mut due = self.elapsed();
        loop {
            let now = self.elapsed();
            let stopping = self.stop.load(Ordering::Relaxed);
            if stopping && flights.is_empty() {
                return;
            }
            if !stopping && now >= due {
                flights.extend(self.begin(now));
                // Requests that a stall has made late are not made up for.
                due = due
                    .max(now.saturating_sub(self.config.interval))
                    .saturating_add(self.config.interval);
            }
            flights.retain(|flight| {
                let late = now.saturating_sub(flight.at) >= self.config.timeout;
                if late {
                    self.end(flight.at, Err(Failure::TimedOut));
                }
                !late
            });
            // Often enough to notice the end, and timeouts.
            let rest = due
                .saturating_sub(now)
                .clamp(Duration::from_millis(1), Duration::from_millis(20));
            let ready = wait_ready(&flights, rest);
            let mut ready = ready.into_iter();
            flights.retain_mut(|flight| {
                let result = if ready.next() == Some(true) {
                    go_on(flight)
                } else {
                    None
                };
                let over = result.is_some();
                if let Some(result) = result {
                    self.end(flight.at, result);
                }
                !over
            });
        }
    }

    fn begin(&self, at: Duration) -> Option<Flight> {
        let family = match self.target {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let opened = socket_with(family, SocketType::STREAM, flags, None).and_then(|socket| {
            match connect(&socket, &self.target) {
                Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
                Err(error) => Err(error),
            }
        });
        match opened {
            Ok(socket) => Some(Flight {
                at,
                socket,
                asked: false,
                input: Vec::new(),
            }),
            Err(error) => {
                self.end(at, Err(failure(error)));
                None
            }
        }
    }
}

fn wait_ready(flights: &[Flight], at_most: Duration) -> Vec<bool> {
    let mut polled: Vec<_> = flights
        .iter()
        .map(|flight| {
            PollFd::new(
                &flight.socket,
                if flight.asked {
                    PollFlags::IN
                } else {
                    PollFlags::OUT
                },
            )
        })
        .collect();
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: at_most.subsec_nanos().into(),
    };
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => polled
            .iter()
            .map(|each| !each.revents().is_empty())
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// Takes a step; something when the request is over.
fn go_on(flight: &mut Flight) -> Option<Result<Arc<str>, Failure>> {
    if !flight.asked {
        flight.asked = true;
        // If there is no connection, this says why.
        let sent = send(
            &flight.socket,
            http::get("/").as_bytes(),
            SendFlags::NOSIGNAL,
        );
        return sent.err().map(|error| Err(failure(error)));
    }
    let mut buffer = [0; 2048];
    match recv(&flight.socket, &mut buffer, RecvFlags::DONTWAIT) {
        Ok((0, _)) => Some(Err(Failure::Reset)),
        Ok((length, _)) => {
            flight
                .input
                .extend_from_slice(buffer.get(..length).unwrap_or_default());
            match http::parse_response(&flight.input) {
                Parsed::Complete(response, _) if response.status == 200 => {
                    Some(Ok(response.body.into()))
                }
                Parsed::Incomplete => None,
                Parsed::Complete(..) | Parsed::Malformed => Some(Err(Failure::Answer)),
            }
        }
        Err(Errno::AGAIN | Errno::INTR) => None,
        Err(error) => Some(Err(failure(error))),
    }
}

fn failure(error: Errno) -> Failure {
    match error {
        Errno::CONNREFUSED => Failure::Refused,
        Errno::CONNRESET | Errno::PIPE => Failure::Reset,
        Errno::TIMEDOUT => Failure::TimedOut,
        _ => Failure::Unreachable,
    }
}

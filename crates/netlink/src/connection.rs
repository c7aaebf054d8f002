//! Requests in batches, each with its own answer.

use std::io;
use std::time::Duration;

use crate::clock::Deadline;
use crate::error::RequestError;
use crate::message::{DONE, DUMP_INTERRUPTED, ERROR, Frame, Frames, Message, NOOP, OVERRUN};
use crate::request::{ACK, DUMP, Request};
use crate::socket::{BUFFER, Family, Socket, is_loss};

/// So many requests go in one datagram: the default receive buffer holds the answers to 256, should all fail.
pub const MAX_BATCH: usize = 128;

/// Two datagrams fit in. So large a piece is not taken from what the thread has, to be filled with zeros: it comes from the
/// kernel, and only what is used of it takes memory.
const ROOM: usize = 4 * BUFFER;

/// A datagram must fit in the send buffer (212,992 bytes by default).
const MAX_DATAGRAM: usize = 64 * 1024;

/// A dump is tried so often while the table keeps changing.
const MAX_DUMPS: usize = 16;

/// No deadline is further away than this.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a connection may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain set of limits, built by callers"
)]
pub struct Limits {
    /// The kernel must answer a whole [`Connection::execute`] or [`Connection::dump`] within this time.
    pub timeout: Duration,
    /// Bytes of receive buffer to ask for; granted in full only with `CAP_NET_ADMIN`.
    pub receive_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            receive_buffer: 4 << 20,
        }
    }
}

/// A netlink socket for requests, used by one thread; [`Engine`](crate::Engine) is the one for async callers.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    sequence: u32,
    timeout: Duration,
    /// Room for two datagrams; see [`ROOM`].
    buffers: Vec<u8>,
}

impl Connection {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// When the kernel has no such netlink family, or no descriptor is left.
    pub fn open(family: Family, limits: Limits) -> io::Result<Self> {
        let socket = Socket::open(family, &[], limits.receive_buffer)?;
        let timeout = limits.timeout.min(MAX_TIMEOUT);
        Ok(Self {
            socket,
            sequence: 1,
            timeout,
            buffers: vec![0; ROOM],
        })
    }

    /// Sends `requests` in order, in as few datagrams as possible, and returns the answer to each: the messages the
    /// kernel sent (usually none), or its error. An error does not stop the later requests.
    ///
    /// # Errors
    ///
    /// One result for each request, in order.
    pub fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>> {
        let mut deadline = Deadline::after(self.timeout);
        let mut answers = Vec::with_capacity(requests.len());
        let mut rest = requests;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_length(rest));
            self.batch(batch, &mut deadline, &mut answers);
            rest = later;
        }
        answers
    }

    /// Reads a whole table. Begins anew when the table changed meanwhile, a bounded number of times.
    ///
    /// # Errors
    ///
    /// [`RequestError::Interrupted`] when it changed each time, else as for any request.
    pub fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError> {
        self.dump_as(request, |message| message)
    }

    /// The same, with only what is `read` from each message kept in memory. What was read of a table that changed meanwhile
    /// is not returned.
    ///
    /// # Errors
    ///
    /// As for [`dump`](Self::dump).
    pub fn dump_as<T>(
        &mut self,
        request: &Request,
        mut read: impl FnMut(Message) -> T,
    ) -> Result<Vec<T>, RequestError> {
        let mut deadline = Deadline::after(self.timeout);
        for _ in 0..MAX_DUMPS {
            if let Some(read) = self.dump_once(request, &mut deadline, &mut read)? {
                return Ok(read);
            }
        }
        Err(RequestError::Interrupted)
    }

    fn batch(
        &mut self,
        requests: &[Request],
        deadline: &mut Deadline,
        answers: &mut Vec<Result<Vec<Message>, RequestError>>,
    ) {
        let Some(last) = requests.len().checked_sub(1) else {
            return;
        };
        let first = self.sequence;
        if let Err(error) = self.send(requests, deadline) {
            let not_sent = |_: &Request| Err(RequestError::NotSent(copy_of(&error)));
            answers.extend(requests.iter().map(not_sent));
            return;
        }
        let mut slots: Vec<Slot> = requests.iter().map(|_| Slot::default()).collect();
        let complete = self.collect(first, last, &mut slots, deadline);
        // The kernel works in order and always answers an error: with the last answer here, silence means success.
        answers.extend(slots.into_iter().map(|slot| match (slot.errno, complete) {
            (Some(0), _) | (None, true) => Ok(slot.messages),
            (Some(errno), _) => Err(RequestError::Kernel(io::Error::from_raw_os_error(errno))),
            (None, false) => Err(RequestError::Unknown),
        }));
    }

    /// Sorts answers into `slots` until the last request has its own. False if some were lost.
    fn collect(
        &mut self,
        first: u32,
        last: usize,
        slots: &mut [Slot],
        deadline: &mut Deadline,
    ) -> bool {
        let mut lost = false;
        loop {
            // After an overflow, what did arrive is read all the same, but nothing more is waited for.
            let buffer = self.buffers.as_mut_slice();
            let received = if lost {
                self.socket.try_receive(buffer)
            } else {
                self.socket.receive(buffer, deadline)
            };
            let length = match received {
                Ok(length) => length,
                Err(error) if is_loss(&error) => {
                    tracing::debug!(%error, "netlink answers lost");
                    lost = true;
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%error, "netlink answers missing");
                    return false;
                }
            };
            for frame in Frames(buffer.get(..length).unwrap_or_default()) {
                // Answers to earlier, given up requests fall outside.
                let index =
                    usize::try_from(frame.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(slot) = slots.get_mut(index) else {
                    continue;
                };
                slot.take(frame);
                if index == last && slot.errno.is_some() {
                    return !lost;
                }
            }
        }
    }

    /// `None` when the table changed during the dump.
    fn dump_once<T>(
        &mut self,
        request: &Request,
        deadline: &mut Deadline,
        read: &mut impl FnMut(Message) -> T,
    ) -> Result<Option<Vec<T>>, RequestError> {
        let sequence = self.next_sequence();
        let mut datagram = Vec::with_capacity(request.length());
        request.write(DUMP, sequence, &mut datagram);
        self.socket.send(&datagram).map_err(RequestError::NotSent)?;
        let mut dump = Dump {
            sequence,
            interrupted: false,
            read: Vec::new(),
        };
        loop {
            let Ok(lengths) = self.socket.receive_two(&mut self.buffers, deadline) else {
                self.socket.drain(&mut self.buffers);
                return Err(RequestError::Unknown);
            };
            for (buffer, length) in self.buffers.chunks(BUFFER).zip(lengths) {
                for frame in Frames(buffer.get(..length).unwrap_or_default()) {
                    if let Some(end) = dump.take(frame, read) {
                        end?;
                        return Ok((!dump.interrupted).then_some(dump.read));
                    }
                }
            }
        }
    }

    fn send(&mut self, requests: &[Request], deadline: &mut Deadline) -> io::Result<()> {
        if requests.iter().any(Request::is_too_long) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut datagram = Vec::with_capacity(requests.iter().map(Request::length).sum());
        let last = requests.len().saturating_sub(1);
        for (index, request) in requests.iter().enumerate() {
            let sequence = self.next_sequence();
            request.write(if index == last { ACK } else { 0 }, sequence, &mut datagram);
        }
        if deadline.left().is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.send(&datagram)
    }

    const fn next_sequence(&mut self) -> u32 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        sequence
    }
}

#[derive(Default)]
struct Slot {
    errno: Option<i32>,
    messages: Vec<Message>,
}

impl Slot {
    fn take(&mut self, frame: Frame<'_>) {
        match frame.kind {
            NOOP | OVERRUN => {}
            ERROR | DONE => self.errno = frame.errno(),
            _ => self.messages.push(frame.to_message()),
        }
    }
}

/// A dump in progress.
struct Dump<T> {
    sequence: u32,
    interrupted: bool,
    read: Vec<T>,
}

impl<T> Dump<T> {
    /// How the dump ended, if `frame` ends it.
    fn take(
        &mut self,
        frame: Frame<'_>,
        read: &mut impl FnMut(Message) -> T,
    ) -> Option<Result<(), RequestError>> {
        if frame.sequence != self.sequence {
            return None;
        }
        self.interrupted |= frame.flags & DUMP_INTERRUPTED != 0;
        match frame.kind {
            NOOP | OVERRUN => None,
            DONE | ERROR => Some(match frame.errno() {
                Some(0) | None => Ok(()),
                Some(errno) => Err(RequestError::Kernel(io::Error::from_raw_os_error(errno))),
            }),
            _ => {
                self.read.push(read(frame.to_message()));
                None
            }
        }
    }
}

/// How many of `requests` go into the next datagram: at least one.
fn batch_length(requests: &[Request]) -> usize {
    let mut bytes: usize = 0;
    let fits = |request: &&Request| {
        bytes = bytes.saturating_add(request.length());
        bytes <= MAX_DATAGRAM
    };
    requests
        .iter()
        .take(MAX_BATCH)
        .take_while(fits)
        .count()
        .max(1)
        .min(requests.len())
}

/// `io::Error` cannot be cloned; its number or kind can.
fn copy_of(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests;

//! News from the kernel, and the news that some was lost.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::message::{DONE, ERROR, Frames, Message, NOOP, OVERRUN};
use crate::socket::{BUFFER, Family, Socket, is_loss, wait_readable};

/// What a [`Monitor`] reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller that ignored a new kind would miss events"
)]
pub enum Event {
    /// Events were lost: read everything again. All that were waiting are thrown away before this is
    /// reported, so what comes later is newer than the loss.
    Lost,
    /// Something happened.
    Message(Message),
}

/// A subscription to multicast groups of the kernel.
///
/// Open it first and read the state with a dump afterwards: then nothing can happen unseen in between.
/// It never blocks; wait with [`wait`](Self::wait), or on the descriptor it lends.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
    pending: VecDeque<Message>,
}

impl Monitor {
    /// Subscribes to `groups` (numbers such as `RTNLGRP_LINK`) in the namespace of the calling thread, asking for a
    /// receive buffer of so many bytes.
    ///
    /// # Errors
    ///
    /// When the kernel has no such netlink family or group.
    pub fn open(family: Family, groups: &[u32], receive_buffer: usize) -> io::Result<Self> {
        let socket = Socket::open(family, groups, receive_buffer)?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER],
            pending: VecDeque::new(),
        })
    }

    /// The next event, if one is there.
    ///
    /// # Errors
    ///
    /// When the socket is broken: it will not recover.
    pub fn try_next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(message) = self.pending.pop_front() {
                return Ok(Some(Event::Message(message)));
            }
            match self.socket.try_receive(&mut self.buffer) {
                Ok(length) => {
                    for frame in Frames(self.buffer.get(..length).unwrap_or_default()) {
                        if !matches!(frame.kind, NOOP | ERROR | DONE | OVERRUN) {
                            self.pending.push_back(frame.to_message());
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_loss(&error) => {
                    self.socket.drain(&mut self.buffer);
                    return Ok(Some(Event::Lost));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there may be an event; false after `timeout`.
    ///
    /// # Errors
    ///
    /// When poll(2) fails.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        if self.pending.is_empty() {
            wait_readable(self.as_fd(), timeout)
        } else {
            Ok(true)
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

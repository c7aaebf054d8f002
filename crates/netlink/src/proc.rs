//! What becomes of processes: the kernel's process events connector (`linux/cn_proc.h`, `linux/connector.h`).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use crate::clock::Deadline;
use crate::message::{DONE, Frames, HEADER};
use crate::socket::{BUFFER, Family, Socket, is_loss};

/// `CN_IDX_PROC` and `CN_VAL_PROC`: the connector's number, and the multicast group's.
const INDEX: u32 = 1;
const VALUE: u32 = 1;

/// `PROC_CN_MCAST_LISTEN`.
const LISTEN: u32 = 1;

/// `struct cn_msg`: index, value, sequence number, acknowledgement, length, flags.
const CONNECTOR: usize = 20;

/// `PROC_EVENT_…`
const NONE: u32 = 0;
const FORK: u32 = 1;
const EXEC: u32 = 2;
const COMM: u32 = 0x200;
const EXIT: u32 = 0x8000_0000;

/// The kernel answers at once, or never.
const ANSWER: Duration = Duration::from_secs(1);

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller that ignored a new kind would miss events"
)]
pub enum ProcessEvent {
    /// It runs another program.
    Executed(u32),
    /// It has ended.
    Exited(u32),
    /// It made another one, which runs the same program.
    Forked {
        /// It.
        parent: u32,
        /// The new one.
        child: u32,
    },
    /// Events were lost: look at all processes again. All that were waiting are thrown away before this is reported.
    Lost,
    /// It calls itself otherwise.
    Renamed(u32),
}

/// A subscription to what becomes of all processes of the machine. Threads are left out.
#[derive(Debug)]
pub struct ProcessMonitor {
    socket: Socket,
    buffer: Vec<u8>,
    pending: VecDeque<ProcessEvent>,
}

impl ProcessMonitor {
    /// Subscribes, asking for a receive buffer of so many bytes. It waits a second at most for the kernel's answer.
    ///
    /// Needs `CAP_NET_ADMIN`, and the machine's first namespaces of users, processes and networks: a container has no
    /// such connector.
    ///
    /// # Errors
    ///
    /// When there is no connector here, or it does not answer.
    pub fn open(receive_buffer: usize) -> io::Result<Self> {
        let socket = Socket::open(Family::Connector, &[INDEX], receive_buffer)?;
        socket.send(&listen(
            rustix::process::getpid()
                .as_raw_nonzero()
                .get()
                .unsigned_abs(),
        ))?;
        let mut monitor = Self {
            socket,
            buffer: vec![0; BUFFER],
            pending: VecDeque::new(),
        };
        let mut deadline = Deadline::after(ANSWER);
        loop {
            let length = match monitor.socket.receive(&mut monitor.buffer, &mut deadline) {
                Err(error) if is_loss(&error) => continue,
                received => received?,
            };
            let datagram = monitor.buffer.get(..length).unwrap_or_default();
            match answer(datagram) {
                None => monitor.pending.extend(events(datagram)),
                Some(0) => return Ok(monitor),
                Some(error) => return Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// The next event, if one is there.
    ///
    /// # Errors
    ///
    /// When the socket is broken: it will not recover.
    pub fn try_next(&mut self) -> io::Result<Option<ProcessEvent>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            match self.socket.try_receive(&mut self.buffer) {
                Ok(length) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    self.pending.extend(events(datagram));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_loss(&error) => {
                    self.socket.drain(&mut self.buffer);
                    return Ok(Some(ProcessEvent::Lost));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for ProcessMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for ProcessMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The request for all events, from the process `pid`.
fn listen(pid: u32) -> Vec<u8> {
    const LENGTH: u32 = 40;
    let mut datagram = Vec::with_capacity(HEADER + CONNECTOR + 4);
    let mut word = |word: u32| datagram.extend(word.to_ne_bytes());
    word(LENGTH);
    // Type and flags: NLMSG_DONE, and none.
    word(u32::from_ne_bytes(two(DONE, 0)));
    word(0);
    word(pid);
    word(INDEX);
    word(VALUE);
    word(0);
    word(0);
    // The length of what follows, and no flags.
    word(u32::from_ne_bytes(two(4, 0)));
    word(LISTEN);
    datagram
}

const fn two(first: u16, second: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    [a, b, c, d]
}

/// `struct proc_event` in each message: its kind and the words of its data.
fn bodies(datagram: &[u8]) -> impl Iterator<Item = (u32, [u32; 4])> {
    Frames(datagram).filter_map(|frame| {
        let (connector, event) = frame.body.split_first_chunk::<CONNECTOR>()?;
        if word(connector, 0)? != INDEX || word(connector, 4)? != VALUE {
            return None;
        }
        // Behind the kind come a processor (4 bytes) and a time (8). What has fewer words has zeros.
        let data = [16, 20, 24, 28].map(|at| word(event, at).unwrap_or_default());
        Some((word(event, 0)?, data))
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*word))
}

/// The error number in the answer to our request (zero: it went well), if it is one.
fn answer(datagram: &[u8]) -> Option<i32> {
    let answer = bodies(datagram).find(|(kind, _)| *kind == NONE);
    answer.map(|(_, [error, ..])| i32::from_ne_bytes(error.to_ne_bytes()).saturating_abs())
}

fn events(datagram: &[u8]) -> impl Iterator<Item = ProcessEvent> {
    bodies(datagram).filter_map(|(kind, [first, second, third, fourth])| {
        // Of each task: its own number, and that of its process (its thread group).
        match kind {
            FORK => (third == fourth).then_some(ProcessEvent::Forked {
                parent: second,
                child: fourth,
            }),
            EXEC => Some(ProcessEvent::Executed(second)),
            COMM => (first == second).then_some(ProcessEvent::Renamed(second)),
            EXIT => (first == second).then_some(ProcessEvent::Exited(second)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by hand from the layout of the kernel's cn_proc.h on x86-64, little-endian.
    #[cfg(target_endian = "little")]
    fn message(kind: [u8; 4], data: &[[u8; 4]; 4]) -> Vec<u8> {
        let mut bytes = vec![
            76, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, // cn_msg
        ];
        bytes.extend(kind);
        bytes.extend([1, 0, 0, 0]);
        bytes.extend([0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0, 0]);
        bytes.extend(data.concat());
        bytes.resize(76, 0);
        bytes
    }

    const A: [u8; 4] = [0xd2, 4, 0, 0];
    const B: [u8; 4] = [0xd3, 4, 0, 0];
    const O: [u8; 4] = [0; 4];

    #[test]
    #[cfg(target_endian = "little")]
    fn events_are_those_of_processes() {
        let table = [
            (
                [1, 0, 0, 0],
                [A, A, B, B],
                Some(ProcessEvent::Forked {
                    parent: 1234,
                    child: 1235,
                }),
            ),
            // A thread.
            ([1, 0, 0, 0], [A, A, B, A], None),
            (
                [2, 0, 0, 0],
                [A, A, O, O],
                Some(ProcessEvent::Executed(1234)),
            ),
            (
                [0, 2, 0, 0],
                [A, A, O, O],
                Some(ProcessEvent::Renamed(1234)),
            ),
            ([0, 2, 0, 0], [B, A, O, O], None),
            (
                [0, 0, 0, 0x80],
                [A, A, O, O],
                Some(ProcessEvent::Exited(1234)),
            ),
            ([0, 0, 0, 0x80], [B, A, O, O], None),
            // A change of user.
            ([4, 0, 0, 0], [A, A, O, O], None),
        ];
        for (kind, data, expected) in table {
            let bytes = message(kind, &data);
            assert_eq!(events(&bytes).next(), expected, "{bytes:?}");
            assert_eq!(answer(&bytes), None);
        }
        assert_eq!(answer(&message(O, &[O; 4])), Some(0));
        assert_eq!(answer(&message(O, &[[1, 0, 0, 0], O, O, O])), Some(1));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_request_is_the_documented_one() {
        assert_eq!(
            listen(1234),
            [
                40, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0xd2, 4, 0, 0, // nlmsghdr
                1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, // cn_msg
                1, 0, 0, 0,
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_can_come(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = events(&bytes).count();
            let _ = answer(&bytes);
        }
    }
}

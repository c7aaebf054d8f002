//! The sockets of one lane, and which of them is read next.

use std::io;
use std::task::{Context, Poll};

use locum_vip::LinkIndex;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::open::{attach, drain, open};
use crate::config::Family;
use crate::filter::{self, Listened, Queue};
use crate::sys::{self, SLOTS, Slot};
use crate::transport::{Carrier, LaneId};

/// Room for bursts while this process does not run: some ten thousand packets, and some thousands of those that are only
/// counted.
const RECEIVE_BUFFER: usize = 4 << 20;
const OTHERS_BUFFER: usize = 2 << 20;

#[derive(Debug)]
pub(super) struct RawLane {
    pub(super) id: LaneId,
    pub(super) index: LinkIndex,
    family: Family,
    plain: AsyncFd<Socket>,
    pub(super) header: Option<AsyncFd<Socket>>,
    /// For what is only counted.
    others: AsyncFd<Socket>,
    listened: Option<Listened>,
    /// What the kernel has dropped so far of either queue of plain ones.
    overflows: [u32; 2],
    /// Which of the two ways was looked at first the last time.
    turn: Carrier,
    /// The next one is looked for in the queues of ours even if nobody said that they can be read.
    pub(super) ask_anyway: bool,
}

/// A socket of a lane.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Header,
    Plain(Queue),
}

impl RawLane {
    pub(super) fn open(
        id: LaneId,
        interface: &str,
        index: LinkIndex,
        family: Family,
    ) -> io::Result<Self> {
        let plain = open(interface, index, family, Carrier::Plain, RECEIVE_BUFFER)?;
        let others = open(interface, index, family, Carrier::Plain, OTHERS_BUFFER)?;
        attach(&others, &filter::NOTHING)?;
        drain(&others);
        Ok(Self {
            id,
            index,
            family,
            plain: sys::watch_readable(plain)?,
            header: None,
            others: sys::watch_readable(others)?,
            listened: None,
            overflows: [0; 2],
            turn: Carrier::Plain,
            ask_anyway: false,
        })
    }

    /// Opens the socket for authentication headers.
    pub(super) fn open_header(&mut self, interface: &str, index: LinkIndex) -> io::Result<()> {
        let socket = open(
            interface,
            index,
            Family::Ipv4,
            Carrier::Header,
            RECEIVE_BUFFER,
        )?;
        self.header = Some(sys::watch_readable(socket)?);
        Ok(())
    }

    pub(super) const fn socket(&self, carrier: Carrier) -> Option<&AsyncFd<Socket>> {
        match carrier {
            Carrier::Header => self.header.as_ref(),
            Carrier::Plain => Some(&self.plain),
        }
    }

    /// Reads from one socket into `slots`, and says how many. Only one that was told to be readable is asked, unless it
    /// is to be asked `anyway`.
    fn try_receive(&self, place: Place, anyway: bool, slots: &mut [Slot]) -> io::Result<usize> {
        let socket = match place {
            Place::Header => self.header.as_ref(),
            Place::Plain(Queue::Ours) => Some(&self.plain),
            Place::Plain(Queue::Others) => Some(&self.others),
        };
        let Some(socket) = socket else {
            return Ok(0);
        };
        let wanted = slots.len();
        let mut received = 0;
        let mut read = |socket: &Socket| {
            received = sys::receive(socket, self.family, slots)?;
            if received < wanted && wanted > 1 {
                // The queue has been emptied: the runtime need not find that out by asking once more.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        };
        let result = if anyway {
            read(socket.get_ref())
        } else {
            socket.try_io(Interest::READABLE, read)
        };
        match result {
            Ok(()) => Ok(received),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(received),
            Err(error) => Err(error),
        }
    }

    /// The kernel counts for each queue of plain ones; the sum of both.
    pub(super) const fn overflowed(&mut self, place: Place, total: u32) -> u32 {
        let [ours, others] = &mut self.overflows;
        match place {
            Place::Header => return total,
            Place::Plain(Queue::Ours) => *ours = total,
            Place::Plain(Queue::Others) => *others = total,
        }
        ours.wrapping_add(*others)
    }

    /// The next packets, how many, and where they were: ours are first, and of those each way in its turn, so that
    /// neither keeps the other from being read. Several at once only where nothing has a better claim than the next one.
    pub(super) fn next(&mut self, slots: &mut [Slot; SLOTS]) -> io::Result<(usize, Place)> {
        let anyway = std::mem::take(&mut self.ask_anyway);
        if self.header.is_some() {
            let [one, ..] = slots;
            self.turn = self.turn.other();
            for carrier in [self.turn, self.turn.other()] {
                let place = match carrier {
                    Carrier::Header => Place::Header,
                    Carrier::Plain => Place::Plain(Queue::Ours),
                };
                let received = self.try_receive(place, anyway, std::slice::from_mut(one))?;
                if received > 0 {
                    self.ask_anyway = anyway;
                    return Ok((received, place));
                }
            }
        } else {
            let place = Place::Plain(Queue::Ours);
            let received = self.try_receive(place, anyway, slots)?;
            if received > 0 {
                // There may be more, which nobody has said either.
                self.ask_anyway = anyway && received == slots.len();
                return Ok((received, place));
            }
        }
        let [one, ..] = slots;
        let place = Place::Plain(Queue::Others);
        let received = self.try_receive(place, false, std::slice::from_mut(one))?;
        // While there are others to read, nobody waits to be told that one of ours has come.
        self.ask_anyway = received > 0;
        Ok((received, place))
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> bool {
        let mut is_ready = self.ask_anyway;
        for socket in [&self.plain, &self.others].into_iter().chain(&self.header) {
            // An error here means that the runtime is going down.
            if let Poll::Ready(Ok(mut ready)) = socket.poll_read_ready(cx) {
                ready.retain_ready();
                is_ready = true;
            }
        }
        is_ready
    }

    /// Changes what the kernel lets in where. For a moment a packet may find its way into both queues or none.
    pub(super) fn listen(&mut self, listened: &Listened) -> io::Result<()> {
        if self.listened.as_ref() == Some(listened) {
            return Ok(());
        }
        for (socket, queue) in [(&self.others, Queue::Others), (&self.plain, Queue::Ours)] {
            attach(
                socket.get_ref(),
                &filter::program(self.family, listened, queue),
            )?;
        }
        self.listened = Some(listened.clone());
        Ok(())
    }
}

//! The sockets of one lane, and which of them is read next.

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use locum_vip::LinkIndex;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::message::{Received, receive};
use super::open::{attach, drain, open};
use crate::config::Family;
use crate::filter::{self, Listened, Queue};
use crate::sys;
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

    /// Reads from one socket. Only one that was told to be readable is asked, unless it is to be asked `anyway`.
    fn try_receive(
        &mut self,
        place: Place,
        anyway: bool,
        packet: &mut [u8],
        control: &mut [u8],
    ) -> io::Result<Option<Received>> {
        let socket = match place {
            Place::Header => self.header.as_ref(),
            Place::Plain(Queue::Ours) => Some(&self.plain),
            Place::Plain(Queue::Others) => Some(&self.others),
        };
        let Some(socket) = socket else {
            return Ok(None);
        };
        let mut read = |socket: &Socket| Ok(receive(socket.as_raw_fd(), packet, control)?);
        let result = if anyway {
            read(socket.get_ref())
        } else {
            socket.try_io(Interest::READABLE, read)
        };
        let mut received = match result {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        if let (Some(total), Place::Plain(queue)) = (received.overflows, place) {
            let [ours, others] = &mut self.overflows;
            match queue {
                Queue::Ours => *ours = total,
                Queue::Others => *others = total,
            }
            received.overflows = Some(ours.wrapping_add(*others));
        }
        Ok(Some(received))
    }

    /// The next packet, and where it was: ours are first, and of those each way in its turn, so that neither keeps the
    /// other from being read.
    pub(super) fn next(
        &mut self,
        packet: &mut [u8],
        control: &mut [u8],
    ) -> io::Result<Option<(Received, Place)>> {
        let anyway = std::mem::take(&mut self.ask_anyway);
        self.turn = self.turn.other();
        for carrier in [self.turn, self.turn.other()] {
            let place = match carrier {
                Carrier::Header => Place::Header,
                Carrier::Plain => Place::Plain(Queue::Ours),
            };
            if let Some(ours) = self.try_receive(place, anyway, packet, control)? {
                return Ok(Some((ours, place)));
            }
        }
        let place = Place::Plain(Queue::Others);
        let other = self.try_receive(place, false, packet, control)?;
        // While there are others to read, nobody waits to be told that one of ours has come.
        self.ask_anyway = other.is_some();
        Ok(other.map(|other| (other, place)))
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> bool {
        let mut is_ready = false;
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

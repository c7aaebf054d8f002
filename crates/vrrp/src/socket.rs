//! Raw sockets: one for each interface and family, for sending and receiving, one for what is only counted, and one more
//! where authentication headers are used.

mod lane;
mod message;
mod open;

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use locum_vip::LinkIndex;

use self::lane::{Place, RawLane};
use self::message::Received;
use crate::clock;
use crate::config::Family;
use crate::filter::{Listened, Queue};
use crate::sys::{SLOTS, Slot};
use crate::transport::{Carrier, Datagram, LaneId, Transport};

/// May this process open raw sockets?
pub(crate) fn probe() -> io::Result<()> {
    open::raw(Family::Ipv4, Carrier::Plain).map(drop)
}

#[derive(Debug)]
pub(crate) struct RawTransport {
    lanes: Vec<RawLane>,
    /// The lane that is looked at first.
    turn: usize,
    slots: Box<[Slot; SLOTS]>,
    /// What of the slots is still to be given out.
    batch: Batch,
}

/// Packets that were read by one call.
#[derive(Debug)]
struct Batch {
    lane: Option<LaneId>,
    place: Place,
    slots: Range<usize>,
    /// When they were read, since 1970.
    at: Duration,
}

impl RawTransport {
    pub(crate) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            turn: 0,
            slots: Box::new([const { Slot::new() }; SLOTS]),
            batch: Batch {
                lane: None,
                place: Place::Header,
                slots: 0..0,
                at: Duration::ZERO,
            },
        }
    }

    fn lane(&self, id: LaneId) -> io::Result<&RawLane> {
        let lane = self.lanes.iter().find(|lane| lane.id == id);
        lane.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Transport for RawTransport {
    fn open(
        &mut self,
        lane: LaneId,
        interface: &str,
        index: LinkIndex,
        family: Family,
    ) -> io::Result<()> {
        self.close(lane);
        self.lanes
            .push(RawLane::open(lane, interface, index, family)?);
        Ok(())
    }

    fn open_header(&mut self, lane: LaneId, interface: &str, index: LinkIndex) -> io::Result<()> {
        let open_lane = self.lanes.iter_mut().find(|open| open.id == lane);
        let lane = open_lane.ok_or(io::ErrorKind::NotConnected)?;
        lane.open_header(interface, index)
    }

    fn close(&mut self, lane: LaneId) {
        self.lanes.retain(|open| open.id != lane);
    }

    fn listen(&mut self, lane: LaneId, listened: &Listened) -> io::Result<()> {
        let lane = self.lanes.iter_mut().find(|open| open.id == lane);
        lane.map_or(Ok(()), |lane| lane.listen(listened))
    }

    fn send(
        &mut self,
        lane: LaneId,
        carrier: Carrier,
        source: IpAddr,
        destination: IpAddr,
        bytes: &[u8],
    ) -> io::Result<()> {
        let lane = self.lane(lane)?;
        let socket = lane.socket(carrier).ok_or(io::ErrorKind::NotConnected)?;
        message::send(socket.get_ref(), lane.index, source, destination, bytes)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<LaneId> {
        let (later, first) = self.lanes.split_at(self.turn.min(self.lanes.len()));
        for lane in first.iter().chain(later) {
            if lane.poll_readable(cx) {
                let id = lane.id;
                self.turn = self
                    .lanes
                    .iter()
                    .position(|lane| lane.id == id)
                    .map_or(0, |at| at + 1);
                return Poll::Ready(id);
            }
        }
        Poll::Pending
    }

    fn gather(&mut self, time: Duration) {
        // Not by a timer of the runtime, which each of the packets would wake.
        thread::sleep(time);
    }

    fn look_anyway(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.iter_mut().find(|open| open.id == lane) {
            lane.ask_anyway = true;
        }
    }

    fn is_amid_batch(&self) -> bool {
        !self.batch.slots.is_empty()
    }

    fn receive(&mut self, lane: LaneId) -> io::Result<Option<Datagram<'_>>> {
        let Self {
            lanes,
            slots,
            batch,
            ..
        } = self;
        let Some(open) = lanes.iter_mut().find(|open| open.id == lane) else {
            batch.slots = 0..0;
            return Ok(None);
        };
        if batch.lane != Some(lane) || batch.slots.is_empty() {
            // Should the next call fail, nothing is left of the last one.
            batch.slots = 0..0;
            let at = clock::wall();
            let (received, place) = open.next(slots)?;
            *batch = Batch {
                lane: Some(lane),
                place,
                slots: 0..received,
                at,
            };
        }
        let next = batch.slots.next();
        let Some(slot) = next.and_then(|next| slots.get(next)) else {
            return Ok(None);
        };
        let place = batch.place;
        let received = Received::read(slot);
        let overflows = received
            .overflows
            .map(|total| open.overflowed(place, total));
        let waited = received
            .stamp
            .map_or(Duration::ZERO, |stamp| batch.at.saturating_sub(stamp));
        let (carrier, is_another) = match place {
            Place::Header => (Carrier::Header, false),
            Place::Plain(queue) => (Carrier::Plain, queue == Queue::Others),
        };
        Ok(Some(match received.sender {
            Some(sender) => Datagram {
                source: IpAddr::V6(sender),
                destination: IpAddr::V6(received.destination),
                ttl: received.hop_limit,
                carrier,
                message: slot.packet(),
                overflows,
                is_another,
                waited,
            },
            None => Datagram {
                overflows,
                is_another,
                waited,
                ..message::ipv4(slot.packet(), carrier)
            },
        }))
    }
}

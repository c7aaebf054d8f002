//! Raw sockets: one for each interface and family, for sending and receiving, one for what is only counted, and one more
//! where authentication headers are used.

mod lane;
mod message;
mod open;

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use locum_vip::LinkIndex;

use self::lane::{Place, RawLane};
use crate::config::Family;
use crate::filter::{Listened, Queue};
use crate::transport::{Carrier, Datagram, LaneId, Transport};

/// The longest IPv4 header and 255 IPv6 addresses fit.
const PACKET_MAX: usize = 4608;

/// May this process open raw sockets?
pub(crate) fn probe() -> io::Result<()> {
    open::raw(Family::Ipv4, Carrier::Plain).map(drop)
}

#[derive(Debug)]
pub(crate) struct RawTransport {
    lanes: Vec<RawLane>,
    /// The lane that is looked at first.
    turn: usize,
    packet: Box<[u8; PACKET_MAX]>,
    control: Vec<u8>,
}

impl RawTransport {
    pub(crate) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            turn: 0,
            packet: Box::new([0; PACKET_MAX]),
            control: message::control_room(),
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

    fn look_anyway(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.iter_mut().find(|open| open.id == lane) {
            lane.ask_anyway = true;
        }
    }

    fn receive(&mut self, lane: LaneId) -> io::Result<Option<Datagram<'_>>> {
        let Self {
            lanes,
            packet,
            control,
            ..
        } = self;
        let Some(lane) = lanes.iter_mut().find(|open| open.id == lane) else {
            return Ok(None);
        };
        let Some((received, place)) = lane.next(packet.as_mut_slice(), control)? else {
            return Ok(None);
        };
        let (carrier, is_another) = match place {
            Place::Header => (Carrier::Header, false),
            Place::Plain(queue) => (Carrier::Plain, queue == Queue::Others),
        };
        let bytes = packet.get(..received.len).unwrap_or_default();
        Ok(Some(match received.sender {
            Some(sender) => Datagram {
                source: IpAddr::V6(sender),
                destination: IpAddr::V6(received.destination),
                ttl: received.hop_limit,
                carrier,
                message: bytes,
                overflows: received.overflows,
                is_another,
            },
            None => Datagram {
                overflows: received.overflows,
                is_another,
                ..message::ipv4(bytes, carrier)
            },
        }))
    }
}

//! Raw sockets: one for each interface and family, for sending and receiving, one for what is only counted, and one more
//! where authentication headers are used.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll};

use libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use locum_vip::LinkIndex;
use locum_vrrp_wire::{AH_IP_PROTOCOL, IP_PROTOCOL, IP_TTL, MULTICAST_IPV4, MULTICAST_IPV6};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6,
    SockaddrLike, recvmsg, sendmsg, setsockopt, sockopt,
};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::config::Family;
use crate::filter::{self, Listened, Queue, Step};
use crate::sys;
use crate::transport::{Carrier, Datagram, LaneId, Transport};

/// Internetwork control (RFC 9568 leaves it open; keepalived does the same).
const TRAFFIC_CLASS: u32 = 0xc0;
/// The longest IPv4 header and 255 IPv6 addresses fit.
const PACKET_MAX: usize = 4608;
/// Room for bursts while this process does not run: some ten thousand packets, and some thousands of those that are only
/// counted.
const RECEIVE_BUFFER: usize = 4 << 20;
const OTHERS_BUFFER: usize = 2 << 20;
/// How many packets may have come in on a new socket before it was bound to its interface.
const STRAY_MAX: usize = 4096;

/// May this process open raw sockets?
pub(crate) fn probe() -> io::Result<()> {
    raw(Family::Ipv4, Carrier::Plain).map(drop)
}

#[derive(Debug)]
pub(crate) struct RawTransport {
    lanes: Vec<RawLane>,
    /// The lane that is looked at first.
    turn: usize,
    packet: Box<[u8; PACKET_MAX]>,
    control: Vec<u8>,
}

#[derive(Debug)]
struct RawLane {
    id: LaneId,
    index: LinkIndex,
    family: Family,
    plain: AsyncFd<Socket>,
    header: Option<AsyncFd<Socket>>,
    /// For what is only counted.
    others: AsyncFd<Socket>,
    listened: Option<Listened>,
    /// What the kernel has dropped so far of either queue of plain ones.
    overflows: [u32; 2],
    /// Which of the two ways was looked at first the last time.
    turn: Carrier,
    /// The next one is looked for in the queues of ours even if nobody said that they can be read.
    ask_anyway: bool,
}

/// A socket of a lane.
#[derive(Debug, Clone, Copy)]
enum Place {
    Header,
    Plain(Queue),
}

impl RawLane {
    const fn socket(&self, carrier: Carrier) -> Option<&AsyncFd<Socket>> {
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
    fn next(
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

    fn poll_readable(&self, cx: &mut Context<'_>) -> bool {
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
    fn listen(&mut self, listened: &Listened) -> io::Result<()> {
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

impl RawTransport {
    pub(crate) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            turn: 0,
            packet: Box::new([0; PACKET_MAX]),
            control: nix::cmsg_space!(u32, in6_pktinfo, libc::c_int),
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
        let plain = open(interface, index, family, Carrier::Plain, RECEIVE_BUFFER)?;
        let others = open(interface, index, family, Carrier::Plain, OTHERS_BUFFER)?;
        attach(&others, &filter::NOTHING)?;
        drain(&others);
        self.lanes.push(RawLane {
            id: lane,
            index,
            family,
            plain: sys::watch_readable(plain)?,
            header: None,
            others: sys::watch_readable(others)?,
            listened: None,
            overflows: [0; 2],
            turn: Carrier::Plain,
            ask_anyway: false,
        });
        Ok(())
    }

    fn open_header(&mut self, lane: LaneId, interface: &str, index: LinkIndex) -> io::Result<()> {
        let open_lane = self.lanes.iter_mut().find(|open| open.id == lane);
        let lane = open_lane.ok_or(io::ErrorKind::NotConnected)?;
        let socket = open(
            interface,
            index,
            Family::Ipv4,
            Carrier::Header,
            RECEIVE_BUFFER,
        )?;
        lane.header = Some(sys::watch_readable(socket)?);
        Ok(())
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
        let fd = socket.get_ref().as_raw_fd();
        let message = [IoSlice::new(bytes)];
        let flags = MsgFlags::MSG_DONTWAIT;
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let info = pktinfo_v4(lane.index, source);
                let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
                sendmsg(
                    fd,
                    &message,
                    &[ControlMessage::Ipv4PacketInfo(&info)],
                    flags,
                    Some(&to),
                )?;
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let info = pktinfo_v6(lane.index, source);
                let scope = if is_link_scope(destination) {
                    lane.index.get()
                } else {
                    0
                };
                let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, scope));
                sendmsg(
                    fd,
                    &message,
                    &[ControlMessage::Ipv6PacketInfo(&info)],
                    flags,
                    Some(&to),
                )?;
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
        Ok(())
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
                ..ipv4(bytes, carrier)
            },
        }))
    }
}

fn raw(family: Family, carrier: Carrier) -> io::Result<Socket> {
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    let protocol = match carrier {
        Carrier::Header => AH_IP_PROTOCOL,
        Carrier::Plain => IP_PROTOCOL,
    };
    let protocol = Protocol::from(i32::from(protocol));
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open(
    interface: &str,
    index: LinkIndex,
    family: Family,
    carrier: Carrier,
    receive_buffer: usize,
) -> io::Result<Socket> {
    let socket = raw(family, carrier)?;
    if carrier == Carrier::Header {
        // What the header authenticates is the IPv4 header too, so that the kernel must not make it.
        socket.set_header_included_v4(true)?;
    }
    socket.bind_device(Some(interface.as_bytes()))?;
    // Without CAP_NET_ADMIN, as much as the system allows.
    if set_socket_recv_buffer_size_force(&socket, receive_buffer).is_err() {
        let _ = socket.set_recv_buffer_size(receive_buffer);
    }
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    let ttl = u32::from(IP_TTL);
    match family {
        Family::Ipv4 => {
            socket.set_ttl_v4(ttl)?;
            socket.set_multicast_ttl_v4(ttl)?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
            socket.set_multicast_loop_v4(false)?;
            // Otherwise a group that any process has joined is received here.
            socket.set_multicast_all_v4(false)?;
            let on = InterfaceIndexOrAddress::Index(index.get());
            socket.join_multicast_v4_n(&MULTICAST_IPV4, &on)?;
        }
        Family::Ipv6 => {
            socket.set_unicast_hops_v6(ttl)?;
            socket.set_multicast_hops_v6(ttl)?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_all_v6(false)?;
            socket.set_multicast_if_v6(index.get())?;
            socket.join_multicast_v6(&MULTICAST_IPV6, index.get())?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            socket.set_recv_hoplimit_v6(true)?;
        }
    }
    // What came in before the socket was bound may be another interface's, and without its hop limit.
    drain(&socket);
    Ok(socket)
}

fn attach(socket: &Socket, program: &[Step]) -> io::Result<()> {
    let instruction = |step: &Step| {
        let (holds, fails) = step.skips;
        SockFilter::new(step.code, holds, fails, step.operand)
    };
    let program: Vec<SockFilter> = program.iter().map(instruction).collect();
    socket.attach_filter(&program)
}

fn drain(socket: &Socket) {
    let mut stray = [0; 1];
    for _ in 0..STRAY_MAX {
        if rustix::io::read(socket, &mut stray).is_err() {
            break;
        }
    }
}

/// What `recvmsg` says beside the bytes.
struct Received {
    len: usize,
    /// Over IPv6. Over IPv4 the bytes begin with the header.
    sender: Option<Ipv6Addr>,
    destination: Ipv6Addr,
    hop_limit: u8,
    overflows: Option<u32>,
}

fn receive(fd: RawFd, packet: &mut [u8], control: &mut [u8]) -> nix::Result<Received> {
    let mut bytes = [IoSliceMut::new(packet)];
    let message = recvmsg::<SockaddrIn6>(fd, &mut bytes, Some(control), MsgFlags::MSG_DONTWAIT)?;
    let mut received = Received {
        len: message.bytes,
        // It is given in any case, also where the kernel wrote an IPv4 address.
        sender: message
            .address
            .as_ref()
            .filter(|sender| sender.family() == Some(AddressFamily::Inet6))
            .map(SockaddrIn6::ip),
        destination: Ipv6Addr::UNSPECIFIED,
        hop_limit: 0,
        overflows: None,
    };
    for one in message.cmsgs()? {
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else was asked for")]
        match one {
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                received.destination = info.ipi6_addr.s6_addr.into();
            }
            ControlMessageOwned::Ipv6HopLimit(hops) => {
                received.hop_limit = u8::try_from(hops).unwrap_or(0);
            }
            ControlMessageOwned::RxqOvfl(total) => received.overflows = Some(total),
            _ => {}
        }
    }
    Ok(received)
}

/// A packet with its IPv4 header, which the kernel has checked.
fn ipv4(packet: &[u8], carrier: Carrier) -> Datagram<'_> {
    let header = packet.first_chunk::<20>();
    let (ttl, source, destination) = header.map_or(
        (0, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        |[
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            ttl,
            _,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ]| {
            (
                *ttl,
                Ipv4Addr::new(*s0, *s1, *s2, *s3),
                Ipv4Addr::new(*d0, *d1, *d2, *d3),
            )
        },
    );
    // The header's length is in words.
    let header_len = packet
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4);
    Datagram {
        source: IpAddr::V4(source),
        destination: IpAddr::V4(destination),
        ttl,
        carrier,
        message: match carrier {
            Carrier::Header => packet,
            Carrier::Plain => packet.get(header_len..).unwrap_or_default(),
        },
        overflows: None,
        is_another: false,
    }
}

fn pktinfo_v4(index: LinkIndex, source: Ipv4Addr) -> in_pktinfo {
    in_pktinfo {
        ipi_ifindex: i32::try_from(index.get()).unwrap_or(0),
        ipi_spec_dst: in_addr {
            s_addr: u32::from_ne_bytes(source.octets()),
        },
        ipi_addr: in_addr { s_addr: 0 },
    }
}

fn pktinfo_v6(index: LinkIndex, source: Ipv6Addr) -> in6_pktinfo {
    in6_pktinfo {
        ipi6_addr: in6_addr {
            s6_addr: source.octets(),
        },
        ipi6_ifindex: index.get(),
    }
}

const fn is_link_scope(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() || matches!(address.octets(), [0xff, 0x02 | 0x12, ..])
}

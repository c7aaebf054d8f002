//! One packet to a raw socket or from it, with what the kernel says beside the bytes.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};

use libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use locum_vip::LinkIndex;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6,
    SockaddrLike, recvmsg, sendmsg,
};
use socket2::Socket;

use crate::transport::{Carrier, Datagram};

/// Room for all that [`receive`] asks for.
pub(super) fn control_room() -> Vec<u8> {
    nix::cmsg_space!(u32, in6_pktinfo, libc::c_int)
}

/// Sends `bytes` from `source`, out of the interface `index`.
pub(super) fn send(
    socket: &Socket,
    index: LinkIndex,
    source: IpAddr,
    destination: IpAddr,
    bytes: &[u8],
) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    let message = [IoSlice::new(bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let info = pktinfo_v4(index, source);
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
            let info = pktinfo_v6(index, source);
            let scope = if is_link_scope(destination) {
                index.get()
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

/// What `recvmsg` says beside the bytes.
pub(super) struct Received {
    pub(super) len: usize,
    /// Over IPv6. Over IPv4 the bytes begin with the header.
    pub(super) sender: Option<Ipv6Addr>,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    pub(super) overflows: Option<u32>,
}

pub(super) fn receive(fd: RawFd, packet: &mut [u8], control: &mut [u8]) -> nix::Result<Received> {
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
pub(super) fn ipv4(packet: &[u8], carrier: Carrier) -> Datagram<'_> {
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

//! A packet to a raw socket or from it, with what the kernel says beside the bytes.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::Duration;

use libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use locum_vip::LinkIndex;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, SockaddrIn6, sendmsg};
use socket2::Socket;

use crate::sys::Slot;
use crate::transport::{Carrier, Datagram};

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

/// What the kernel says beside the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    /// Over IPv6. Over IPv4 the bytes begin with the header.
    pub(super) sender: Option<Ipv6Addr>,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    pub(super) overflows: Option<u32>,
    /// When it came in, since 1970.
    pub(super) stamp: Option<Duration>,
}

impl Received {
    pub(super) fn read(slot: &Slot) -> Self {
        let mut received = Self {
            sender: sender(slot.name()),
            destination: Ipv6Addr::UNSPECIFIED,
            hop_limit: 0,
            overflows: None,
            stamp: None,
        };
        let mut rest = slot.control();
        while let Some((level, kind, data)) = next_control(&mut rest) {
            match (level, kind) {
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    if let Some(address) = data.first_chunk::<16>() {
                        received.destination = Ipv6Addr::from(*address);
                    }
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let hops = data.first_chunk().map(|hops| i32::from_ne_bytes(*hops));
                    received.hop_limit = hops.and_then(|hops| hops.try_into().ok()).unwrap_or(0);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    received.overflows = data.first_chunk().map(|total| u32::from_ne_bytes(*total));
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => received.stamp = stamp(data),
                // Nothing else was asked for.
                _ => {}
            }
        }
        received
    }
}

/// A `timespec` of 64 bits each. Without one a packet has come when it is read.
fn stamp(data: &[u8]) -> Option<Duration> {
    let (seconds, rest) = data.split_first_chunk()?;
    let nanos = i64::from_ne_bytes(*rest.first_chunk()?);
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos).ok()?))
}

/// The address in a `sockaddr_in6`: the family, and the address after port and flow.
fn sender(name: &[u8]) -> Option<Ipv6Addr> {
    let family = u16::from_ne_bytes(*name.first_chunk()?);
    let address: &[u8; 16] = name.get(8..)?.first_chunk()?;
    (i32::from(family) == libc::AF_INET6).then(|| Ipv6Addr::from(*address))
}

/// The level, the type and the data of a control message, and `rest` without it (cmsg(3)): a length that includes the
/// head, and each at a multiple of a word.
fn next_control<'a>(rest: &mut &'a [u8]) -> Option<(i32, i32, &'a [u8])> {
    const WORD: usize = size_of::<usize>();
    let bytes = *rest;
    let length = usize::from_ne_bytes(*bytes.first_chunk()?);
    let level = i32::from_ne_bytes(*bytes.get(WORD..)?.first_chunk()?);
    let kind = i32::from_ne_bytes(*bytes.get(WORD + 4..)?.first_chunk()?);
    let head = (WORD + 8).next_multiple_of(WORD);
    let data = bytes.get(head..length)?;
    *rest = bytes
        .get(length.checked_next_multiple_of(WORD)?..)
        .unwrap_or_default();
    Some((level, kind, data))
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
        waited: Duration::ZERO,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel lays it out on a 64-bit system.
    fn control(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let length = size_of::<usize>() + 8 + data.len();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(length.next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    fn read_all(mut rest: &[u8]) -> Vec<(i32, i32, Vec<u8>)> {
        let next =
            || next_control(&mut rest).map(|(level, kind, data)| (level, kind, data.to_vec()));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn control_messages_are_read_one_after_another() {
        let bytes = [control(41, 52, &[255, 0, 0, 0]), control(41, 50, &[7; 20])].concat();
        let expected = [(41, 52, vec![255, 0, 0, 0]), (41, 50, vec![7; 20])];
        assert_eq!(read_all(&bytes), expected);
    }

    #[test]
    fn control_messages_that_cannot_be_are_the_end() {
        let whole = control(1, 40, &[3, 0, 0, 0]);
        for end in 0..size_of::<usize>() + 8 + 4 {
            assert_eq!(
                read_all(whole.get(..end).expect("shorter")),
                [],
                "{end} bytes"
            );
        }
        for length in [0, 1, 15, usize::MAX, usize::MAX - 7] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([0; 16]);
            assert_eq!(read_all(&bytes), [], "a length of {length}");
        }
    }

    #[test]
    fn a_time_stamp_is_two_long_numbers() {
        let of = |numbers: [i64; 2]| stamp(&numbers.map(i64::to_ne_bytes).concat());
        assert_eq!(of([7, 5]), Some(Duration::new(7, 5)));
        assert_eq!(of([-7, 5]), None);
        assert_eq!(of([7, -5]), None);
        assert_eq!(stamp(&[0; 8]), None);
        assert_eq!(stamp(&[]), None);
    }

    #[test]
    fn a_sender_is_read_only_from_an_ipv6_address() {
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
        for (family, expected) in [(libc::AF_INET6, Some(address)), (libc::AF_INET, None)] {
            let family = u16::try_from(family).expect("a small number");
            let mut name = family.to_ne_bytes().to_vec();
            name.extend([0; 6]);
            name.extend(address.octets());
            name.extend([0; 4]);
            assert_eq!(sender(&name), expected);
        }
        assert_eq!(sender(&[]), None);
    }
}

//! Hears who else is a virtual router.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use locum_vrrp::Family;
use locum_vrrp::wire::{
    AH_IP_PROTOCOL, AdvertisementView, AhPacket, IP_PROTOCOL, MULTICAST_IPV4, MULTICAST_IPV6,
    PseudoHeader,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SocketAddrAny, recvfrom};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::facts::Heard;
use crate::clock;

/// The longest IPv4 header and 255 IPv6 addresses fit.
const PACKET: usize = 4608;
/// A network that is flooded is read no further.
const PACKETS: usize = 100_000;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ear<'a> {
    pub(super) interface: &'a str,
    pub(super) index: u32,
    pub(super) family: Family,
    /// The addresses to which advertisements may come, beside the group.
    pub(super) own: &'a [IpAddr],
}

/// Listens at all `ears` for `time` and returns what was heard, by interface, or why nothing could be.
pub(super) fn listen(
    ears: &[Ear<'_>],
    time: Duration,
) -> BTreeMap<String, Result<Vec<Heard>, String>> {
    let mut heard: BTreeMap<String, Result<Vec<Heard>, String>> = BTreeMap::new();
    let mut open = Vec::new();
    for ear in ears {
        let name = ear.interface.to_owned();
        match sockets(ear) {
            Ok(sockets) => {
                open.extend(sockets.into_iter().map(|socket| (ear, socket)));
                heard.entry(name).or_insert_with(|| Ok(Vec::new()));
            }
            Err(error) => _ = heard.insert(name, Err(error.to_string())),
        }
    }
    let failed = hear(&open, time, |ear, one| {
        if let Some(Ok(list)) = heard.get_mut(ear.interface)
            && !list
                .iter()
                .any(|known: &Heard| (known.source, known.vrid) == (one.source, one.vrid))
        {
            list.push(one);
        }
    });
    if let Err(error) = failed {
        for list in heard.values_mut() {
            *list = Err(error.to_string());
        }
    }
    heard
}

fn hear(
    open: &[(&Ear<'_>, Socket)],
    time: Duration,
    mut take: impl FnMut(&Ear<'_>, Heard),
) -> io::Result<()> {
    let until = clock::now() + time;
    let mut buffer = vec![0; PACKET];
    for _ in 0..PACKETS {
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            break;
        }
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut waits: Vec<PollFd<'_>> = open
            .iter()
            .map(|(_, socket)| PollFd::new(socket, PollFlags::IN))
            .collect();
        match poll(&mut waits, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for (wait, (ear, socket)) in waits.iter().zip(open) {
            if wait.revents().is_empty() {
                continue;
            }
            match recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _, from)) => {
                    let packet = buffer.get(..length).unwrap_or_default();
                    if let Some(one) = read(ear, from.as_ref(), packet) {
                        take(ear, one);
                    }
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn read(ear: &Ear<'_>, from: Option<&SocketAddrAny>, packet: &[u8]) -> Option<Heard> {
    let group = match ear.family {
        Family::Ipv4 => IpAddr::V4(MULTICAST_IPV4),
        Family::Ipv6 => IpAddr::V6(MULTICAST_IPV6),
    };
    match ear.family {
        Family::Ipv4 => {
            let header: &[u8; 20] = packet.first_chunk()?;
            let [first, .., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
            let source = Ipv4Addr::new(s0, s1, s2, s3);
            let destination = Ipv4Addr::new(d0, d1, d2, d3);
            let message = match header[9] {
                // Who has the key is not known here.
                AH_IP_PROTOCOL => AhPacket::new_checked(packet).ok()?.message(),
                // The header's length is in words.
                _ => packet.get(usize::from(first & 0x0f) * 4..)?,
            };
            decode(source.into(), destination.into(), message)
        }
        Family::Ipv6 => {
            let source = std::net::SocketAddrV6::try_from(from?.clone()).ok()?;
            let source = IpAddr::V6(*source.ip());
            // The checksum tells where it was sent.
            std::iter::once(group)
                .chain(ear.own.iter().copied())
                .find_map(|destination| decode(source, destination, packet))
        }
    }
}

fn decode(source: IpAddr, destination: IpAddr, message: &[u8]) -> Option<Heard> {
    let pseudo_header = PseudoHeader::new(source, destination).ok()?;
    let view = AdvertisementView::new_checked(message, &pseudo_header).ok()?;
    Some(Heard {
        source,
        version: view.version(),
        vrid: view.vrid(),
        priority: view.priority(),
        authentication: view.authentication(),
        addresses: view.addresses().collect::<BTreeSet<IpAddr>>(),
    })
}

/// One for advertisements, and over IPv4 one for those with an authentication header.
fn sockets(ear: &Ear<'_>) -> io::Result<Vec<Socket>> {
    let protocols: &[u8] = match ear.family {
        Family::Ipv4 => &[IP_PROTOCOL, AH_IP_PROTOCOL],
        Family::Ipv6 => &[IP_PROTOCOL],
    };
    let sockets = protocols.iter().map(|protocol| socket(ear, *protocol));
    sockets.collect()
}

fn socket(ear: &Ear<'_>, protocol: u8) -> io::Result<Socket> {
    let domain = match ear.family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    let protocol = Protocol::from(i32::from(protocol));
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(ear.interface.as_bytes()))?;
    match ear.family {
        Family::Ipv4 => {
            let on = InterfaceIndexOrAddress::Index(ear.index);
            socket.join_multicast_v4_n(&MULTICAST_IPV4, &on)?;
        }
        Family::Ipv6 => socket.join_multicast_v6(&MULTICAST_IPV6, ear.index)?,
    }
    // What came in before the socket was bound may be another interface's.
    let mut stray = [0; 1];
    for _ in 0..PACKETS {
        if rustix::io::read(&socket, &mut stray).is_err() {
            break;
        }
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use locum_vrrp::wire::{Advertisement, AhEnvelope, AhKey, Authentication};
    use locum_vrrp::{AdvertInterval, ChecksumForm, Priority, Version, Vrid};

    use super::*;

    #[test]
    fn an_advertisement_is_read_out_of_its_authentication_header() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.10".parse().unwrap()];
        let advertisement = Advertisement::new(
            Vrid::new(51).unwrap(),
            Priority::new(150),
            AdvertInterval::v2(1).unwrap(),
            addresses,
        )
        .and_then(|one| one.with_authentication(Authentication::Header))
        .unwrap();
        let envelope = AhEnvelope {
            source: [192, 0, 2, 3].into(),
            destination: MULTICAST_IPV4,
            identification: 1,
            sequence: 1,
        };
        let mut packet = Vec::new();
        let key = AhKey::new("secret").unwrap();
        key.encode_into(&advertisement, &envelope, &mut packet)
            .unwrap();
        let ear = Ear {
            interface: "eth0",
            index: 2,
            family: Family::Ipv4,
            own: &[],
        };
        let heard = read(&ear, None, &packet).unwrap();
        assert_eq!(heard.source, IpAddr::from([192, 0, 2, 3]));
        assert_eq!(heard.authentication, Authentication::Header);
        for length in 0..packet.len() {
            assert_eq!(read(&ear, None, &packet[..length]), None);
        }
    }

    #[test]
    fn an_advertisement_is_read_with_its_ip_header() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.10".parse().unwrap()];
        let advertisement = Advertisement::new(
            Vrid::new(51).unwrap(),
            Priority::new(150),
            AdvertInterval::v3(100).unwrap(),
            addresses.clone(),
        )
        .unwrap()
        .with_checksum_form(ChecksumForm::PseudoHeader)
        .unwrap();
        let (source, destination) = ("192.0.2.3".parse().unwrap(), MULTICAST_IPV4.into());
        let pseudo_header = PseudoHeader::new(source, destination).unwrap();
        let mut packet = vec![0; 24];
        packet[0] = 0x46;
        packet[12..16].copy_from_slice(&[192, 0, 2, 3]);
        packet[16..20].copy_from_slice(&MULTICAST_IPV4.octets());
        advertisement
            .encode_into(&pseudo_header, &mut packet)
            .unwrap();
        let ear = Ear {
            interface: "eth0",
            index: 2,
            family: Family::Ipv4,
            own: &[],
        };
        let expected = Heard {
            source,
            version: Version::V3,
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::new(150),
            authentication: Authentication::None,
            addresses: addresses.into_iter().collect(),
        };
        assert_eq!(read(&ear, None, &packet), Some(expected));
        for length in 0..packet.len() {
            assert_eq!(read(&ear, None, &packet[..length]), None);
        }
    }
}

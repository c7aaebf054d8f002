//! Asks the neighbours who has an address.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socket_with};

use super::{clock, sys};
use crate::driver::LinkIndex;
use crate::wire::{MacAddress, arp, ndp};

const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;

/// RFC 5227 §1.1 (PROBE_NUM).
const QUESTIONS: u32 = 3;
/// The longest frame that says who has an address, with room for an 802.1Q tag and extension headers.
const FRAME: usize = 2048;
/// An interface that is flooded is read no further.
const FRAMES: usize = 100_000;

/// Asks on `link` who has `addresses`, three times within `patience`, as somebody without an address: nobody's memory
/// changes. Returns all Ethernet addresses that claim one; what is not in the map, nobody does. `mac` is the interface's own,
/// and its claims are not counted. Waits for less only if everything was answered.
///
/// Blocks, and works in the network namespace of the calling thread.
///
/// # Errors
///
/// `EPERM` without CAP_NET_RAW, `ENETDOWN` when the interface is down.
pub fn who_has(
    link: LinkIndex,
    mac: MacAddress,
    addresses: &[IpAddr],
    patience: Duration,
) -> io::Result<BTreeMap<IpAddr, BTreeSet<MacAddress>>> {
    let sockets = [open(link, ETH_P_ARP)?, open(link, ETH_P_IPV6)?];
    let mut claims: BTreeMap<IpAddr, BTreeSet<MacAddress>> = BTreeMap::new();
    for _ in 0..QUESTIONS {
        for address in addresses.iter().filter(|one| !claims.contains_key(*one)) {
            let frame = match *address {
                IpAddr::V4(ip) => arp::probe(mac, ip).to_vec(),
                IpAddr::V6(ip) => ndp::solicitation(mac, ip).to_vec(),
            };
            let [socket, _] = &sockets;
            sys::send_frame(socket.as_fd(), link, &frame)?;
        }
        let until = clock() + patience / QUESTIONS;
        listen(&sockets, until, |frame| {
            let arp = arp::claim(frame).map(|(mac, ip)| (mac, IpAddr::V4(ip)));
            let claim = arp.or_else(|| ndp::claim(frame).map(|(mac, ip)| (mac, IpAddr::V6(ip))));
            if let Some((sender, address)) = claim
                && sender != mac
                && addresses.contains(&address)
            {
                claims.entry(address).or_default().insert(sender);
            }
            claims.len() == addresses.len()
        })?;
        if claims.len() == addresses.len() {
            break;
        }
    }
    Ok(claims)
}

/// Hands each frame to `take` until that is content, or until the time has come.
fn listen(
    sockets: &[OwnedFd],
    until: Instant,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; FRAME];
    for _ in 0..FRAMES {
        let left = until.saturating_duration_since(clock());
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut waits: Vec<PollFd<'_>> = sockets
            .iter()
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        match poll(&mut waits, Some(&timeout)) {
            Ok(0) if left.is_zero() => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for (wait, socket) in waits.iter().zip(sockets) {
            if wait.revents().is_empty() {
                continue;
            }
            match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    if take(buffer.get(..length).unwrap_or_default()) {
                        return Ok(());
                    }
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn open(link: LinkIndex, ether_type: u16) -> io::Result<OwnedFd> {
    // Protocol 0: it receives nothing until it is bound.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    sys::bind_packets(socket.as_fd(), link, ether_type)?;
    Ok(socket)
}

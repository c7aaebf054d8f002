//! What goes over the wire: VRRP, ARP and neighbour discovery.

use std::fs::File;
use std::io::{self, BufWriter, IoSliceMut, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etherparse::{InternetSlice, LinkSlice, SlicedPacket};
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg};
use nix::sys::time::TimeSpec;

use crate::{Host, LabError, Mac, sys, wait_until};

/// IANA's number for VRRP.
const VRRP: u8 = 112;
/// IANA's number for the authentication header, in which keepalived can wrap VRRP.
const AH: u8 = 51;
/// How often it is looked for new ones; the kernel says when they came.
const LOOK: Duration = Duration::from_millis(2);
/// No more frames than this are kept.
const LIMIT: usize = 200_000;

/// A frame as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// When, since 1970, by the kernel's clock.
    pub at: Duration,
    /// The whole frame, from the destination's hardware address on.
    pub bytes: Vec<u8>,
}

/// The facts of a VRRP advertisement that a test asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advert {
    /// When, since 1970, by the kernel's clock.
    pub at: Duration,
    /// The hardware address it came from.
    pub mac: Mac,
    /// The sender.
    pub source: IpAddr,
    /// The group, or a unicast peer.
    pub destination: IpAddr,
    /// The IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// 2 or 3.
    pub version: u8,
    /// The virtual router.
    pub vrid: u8,
    /// The sender's priority; 0 as it leaves.
    pub priority: u8,
    /// How many addresses it lists.
    pub count: u8,
    /// The interval it announces.
    pub interval: Duration,
}

/// Records VRRP, ARP and neighbour discovery with the kernel's time stamps, up to 200,000 frames. Stops when dropped.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    frames: Mutex<Vec<Frame>>,
    stop: AtomicBool,
}

impl Capture {
    /// Records what arrives at and leaves from an interface of `host`.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn start(host: &Host, interface: &str) -> Result<Self, LabError> {
        let name = interface.to_owned();
        Self::open(host, move || {
            let index = nix::net::if_::if_nametoindex(name.as_str()).map_err(io::Error::from)?;
            Ok((sys::packet_socket(index, sys::Direction::Both)?, None))
        })
    }

    /// Records what `host` sends from an interface, and nothing else, whatever arrives there.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn sent_from(host: &Host, interface: &str) -> Result<Self, LabError> {
        let name = interface.to_owned();
        Self::open(host, move || {
            let index = nix::net::if_::if_nametoindex(name.as_str()).map_err(io::Error::from)?;
            Ok((sys::packet_socket(index, sys::Direction::Outgoing)?, None))
        })
    }

    /// Records what arrives at any interface of `host`.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn arriving(host: &Host) -> Result<Self, LabError> {
        Self::open(host, || {
            Ok((sys::packet_socket(0, sys::Direction::Incoming)?, None))
        })
    }

    /// Records each frame as it enters a switch; the bridge's own interface would show some a second time.
    pub(crate) fn on_ports(switch: &Host, bridge: &'static str) -> Result<Self, LabError> {
        Self::open(switch, move || {
            let own = nix::net::if_::if_nametoindex(bridge).ok();
            Ok((sys::packet_socket(0, sys::Direction::Incoming)?, own))
        })
    }

    fn open(
        host: &Host,
        socket: impl FnOnce() -> io::Result<(OwnedFd, Option<u32>)> + Send + 'static,
    ) -> Result<Self, LabError> {
        let (socket, ignored) = host
            .run(socket)
            .map_err(LabError::io("open a packet socket"))?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let thread = host.thread("capture", move || ours.record(&socket, ignored))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Everything recorded so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.shared.frames().clone()
    }

    /// The VRRP advertisements recorded so far, those inside AH left out.
    #[must_use]
    pub fn adverts(&self) -> Vec<Advert> {
        self.shared
            .frames()
            .iter()
            .filter_map(Advert::read)
            .collect()
    }

    /// Waits for an advertisement, from the first recorded on, that `matches`.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with `awaited` in the message.
    pub fn wait_for_advert(
        &self,
        awaited: &str,
        bound: Duration,
        matches: impl Fn(&Advert) -> bool,
    ) -> Result<Advert, LabError> {
        let mut found = None;
        wait_until(awaited, bound, || {
            found = self.adverts().into_iter().find(&matches);
            found.is_some()
        })?;
        found.ok_or_else(|| LabError::Timeout {
            awaited: awaited.to_owned(),
            bound,
        })
    }

    /// Writes a file for tcpdump and Wireshark: pcap with nanoseconds.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub fn write_pcap(&self, path: &Path) -> Result<(), LabError> {
        write_pcap(path, &self.shared.frames()).map_err(LabError::io("write a capture"))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn frames(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, socket: &OwnedFd, ignored: Option<u32>) {
        let mut buffer = vec![0; 9216];
        while !self.stop.load(Ordering::Relaxed) {
            // Not woken by each frame: whoever sends it would pay for that, and may be what is measured.
            thread::sleep(LOOK);
            while let Some((frame, interface)) = next_frame(socket, &mut buffer) {
                if Some(interface) != ignored && is_interesting(&frame.bytes) {
                    let mut frames = self.frames();
                    if frames.len() < LIMIT {
                        frames.push(frame);
                    }
                }
            }
        }
    }
}

fn next_frame(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(Frame, u32)> {
    let mut control = cmsg_space!(TimeSpec);
    let (length, at, interface) = {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        let mut at = None;
        for each in message.cmsgs().ok()? {
            if let ControlMessageOwned::ScmTimestampns(time) = each {
                at = Some(Duration::from(time));
            }
        }
        (message.bytes, at?, message.address?.ifindex())
    };
    let bytes = buffer.get(..length)?.to_vec();
    Some((Frame { at, bytes }, u32::try_from(interface).ok()?))
}

fn is_interesting(frame: &[u8]) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else {
        return false;
    };
    match packet.net {
        Some(InternetSlice::Arp(_)) => true,
        Some(InternetSlice::Ipv4(v4)) => matches!(v4.header().protocol().0, VRRP | AH),
        Some(InternetSlice::Ipv6(v6)) => {
            let payload = v6.payload();
            // Neighbour solicitation and advertisement (RFC 4861 §4.3, §4.4).
            let neighbour = matches!(payload.payload.first(), Some(135 | 136));
            matches!(v6.header().next_header().0, VRRP | AH)
                || (v6.header().next_header().0 == 58 && neighbour)
        }
        None => false,
    }
}

impl Advert {
    /// Reads what tests ask about, independently of the codec that is under test.
    fn read(frame: &Frame) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(&frame.bytes).ok()?;
        let Some(LinkSlice::Ethernet2(ethernet)) = packet.link else {
            return None;
        };
        let (source, destination, ttl, payload) = match &packet.net {
            Some(InternetSlice::Ipv4(v4)) => {
                let header = v4.header();
                let ends = (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                );
                (ends.0, ends.1, header.ttl(), v4.payload())
            }
            Some(InternetSlice::Ipv6(v6)) => {
                let header = v6.header();
                let ends = (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                );
                (ends.0, ends.1, header.hop_limit(), v6.payload())
            }
            Some(InternetSlice::Arp(_)) | None => return None,
        };
        if payload.ip_number.0 != VRRP {
            return None;
        }
        let [kind, vrid, priority, count, high, low] = *payload.payload.first_chunk::<6>()?;
        let version = kind >> 4;
        let interval = match version {
            // RFC 3768 §5.3.7: seconds; the octet before is the authentication type.
            2 => Duration::from_secs(low.into()),
            // RFC 9568 §5.2.7: twelve bits of centiseconds.
            _ => Duration::from_millis(u64::from(u16::from_be_bytes([high & 0x0f, low])) * 10),
        };
        let mac = Mac::new(ethernet.source());
        let at = frame.at;
        Some(Self {
            at,
            mac,
            source,
            destination,
            ttl,
            version,
            vrid,
            priority,
            count,
            interval,
        })
    }
}

fn write_pcap(path: &Path, frames: &[Frame]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    // Magic for nanoseconds, version 2.4, UTC, accuracy, longest frame, Ethernet.
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.write_all(&word.to_le_bytes())?;
    }
    for Frame { at, bytes } in frames {
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        for word in [seconds, at.subsec_nanos(), length, length] {
            file.write_all(&word.to_le_bytes())?;
        }
        file.write_all(bytes)?;
    }
    file.flush()
}

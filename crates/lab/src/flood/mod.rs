//! A host that sends hostile VRRP packets as fast as it can, or as it is told.

mod frames;

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, sendmmsg};
use serde::Serialize;

pub use self::frames::Target;
use crate::random::Random;
use crate::{Host, LabError, clock, sys};

/// So many frames go to the kernel at once,
const BATCH: usize = 64;
/// and so many are made of each kind, to be sent again and again.
const OF_A_KIND: usize = 64;
/// When the kernel has no room for more, for so long.
const PAUSE_NANOS: u64 = 200_000;

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a test goes through all of them")]
pub enum Hostile {
    /// Of a virtual router that nobody has here.
    Foreign,
    /// Bytes by chance.
    Garbage,
    /// An advertisement that was heard before, sent once more.
    Replayed,
    /// Shorter than the shortest advertisement.
    Truncated,
    /// Changed after the checksum was made.
    WrongChecksum,
    /// With another password.
    WrongPassword,
    /// From beyond the link.
    WrongTtl,
}

impl Hostile {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Foreign,
        Self::Garbage,
        Self::Replayed,
        Self::Truncated,
        Self::WrongChecksum,
        Self::WrongPassword,
        Self::WrongTtl,
    ];
}

/// What has been sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sent {
    /// Packets of each kind.
    pub by_kind: BTreeMap<Hostile, u64>,
    /// For how long.
    pub took: Duration,
    /// Times that the kernel had no room.
    pub full: u64,
}

impl Sent {
    /// Packets of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_kind.values().sum()
    }

    /// Packets in a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        (self.total() * 1000).checked_div(millis).unwrap_or(0)
    }
}

/// Hostile packets of all kinds by turns, from a thread in a host. Ends when it is dropped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Sent>>,
}

impl Flood {
    /// Sends from `interface` of `host` to whoever is on its link. `replayed` are frames from the wire; `rate` is packets
    /// in a second, and without it, as many as the kernel takes.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn start(
        host: &Host,
        interface: &str,
        target: &Target,
        replayed: &[Vec<u8>],
        rate: Option<u32>,
    ) -> Result<Self, LabError> {
        let mac = host.mac(interface).ok_or_else(|| LabError::Io {
            attempt: "find the interface to flood from",
            source: io::ErrorKind::NotFound.into(),
        })?;
        let mut random = Random::new(1);
        let mut frames = Vec::new();
        for number in 0..OF_A_KIND {
            for kind in Hostile::ALL {
                let built = frames::frame(kind, target, mac, &mut random);
                let again = || replayed.get(number.checked_rem(replayed.len())?).cloned();
                frames.extend(built.or_else(again).map(|frame| (kind, frame)));
            }
        }
        let name = interface.to_owned();
        let socket = host.run(move || {
            let index = nix::net::if_::if_nametoindex(name.as_str()).map_err(io::Error::from)?;
            sys::sending_packet_socket(index)
        });
        let socket = socket.map_err(LabError::io("open a packet socket"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let ours = Arc::clone(&stop);
        let thread = host.thread("flood", move || send(&socket, &frames, rate, &ours))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends it, and says what was sent.
    ///
    /// # Panics
    ///
    /// If the thread did.
    #[must_use]
    pub fn stop(mut self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(sent)) => sent,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Sent::default(),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn send(
    socket: &OwnedFd,
    frames: &[(Hostile, Vec<u8>)],
    rate: Option<u32>,
    stop: &AtomicBool,
) -> Sent {
    let mut sent = Sent::default();
    let began = clock::monotonic_nanos();
    let mut at = 0;
    let parts: Vec<[IoSlice<'_>; 1]> = frames
        .iter()
        .map(|(_, bytes)| [IoSlice::new(bytes)])
        .collect();
    let nobody: [Option<LinkAddr>; BATCH] = [None; BATCH];
    while !stop.load(Ordering::Relaxed) && !frames.is_empty() {
        let batch = parts.get(at..).unwrap_or_default();
        let batch = batch.get(..BATCH).unwrap_or(batch);
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(batch.len(), None);
        let none: [nix::sys::socket::ControlMessage<'_>; 0] = [];
        let flags = MsgFlags::empty();
        let count = match sendmmsg(socket.as_raw_fd(), &mut headers, batch, nobody, none, flags) {
            Ok(results) => results.count(),
            Err(_) => 0,
        };
        for (kind, _) in frames.iter().skip(at).take(count) {
            *sent.by_kind.entry(*kind).or_default() += 1;
        }
        at = (at + count).checked_rem(frames.len()).unwrap_or(0);
        let now = clock::monotonic_nanos();
        if count == 0 {
            sent.full += 1;
            clock::sleep_until(now + PAUSE_NANOS);
        } else if let Some(rate) = rate {
            let due = sent.total().saturating_mul(1_000_000_000) / u64::from(rate.max(1));
            if began + due > now {
                clock::sleep_until(began + due);
            }
        }
    }
    sent.took = Duration::from_nanos(clock::monotonic_nanos().saturating_sub(began));
    sent
}

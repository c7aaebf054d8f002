//! The relay: a learning switch in user space whose links can be impaired.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::Impairment;
use crate::random::Random;
use crate::{Host, LabError, Mac, clock, sys};

/// So many frames are taken from one port before the next has its turn.
const BATCH: usize = 64;
/// So many delayed frames are kept; more are lost, as in a full queue.
const QUEUE: usize = 100_000;
/// The longest frame: veth's default MTU and the Ethernet header, with room for a VLAN tag.
const FRAME: usize = 1600;

#[derive(Debug, Default)]
struct Shared {
    ports: Vec<Port>,
    links: BTreeMap<(usize, usize), Link>,
    behind: BTreeMap<Mac, usize>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    count: u64,
    stop: bool,
}

#[derive(Debug)]
struct Port {
    socket: Arc<OwnedFd>,
    blocked: bool,
}

#[derive(Debug)]
struct Link {
    impairment: Impairment,
    random: Random,
}

#[derive(Debug)]
struct Delayed {
    due: u64,
    order: u64,
    to: usize,
    frame: Arc<[u8]>,
}

impl Delayed {
    fn key(&self) -> (u64, u64) {
        (self.due, self.order)
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The relay and its thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    seed: u64,
    shared: Arc<Mutex<Shared>>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    pub(super) fn start(switch: &Host, seed: u64) -> Result<Self, LabError> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(LabError::os("make an eventfd"))?;
        let wake = Arc::new(wake);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (ours, woken) = (Arc::clone(&shared), Arc::clone(&wake));
        let thread = switch.thread("relay", move || forward(&ours, &woken))?;
        Ok(Self {
            seed,
            shared,
            wake,
            thread: Some(thread),
        })
    }

    /// Ports are numbered in the order they are added.
    pub(super) fn add_port(&self, switch: &Host, name: &str) -> Result<(), LabError> {
        let name = name.to_owned();
        let socket = switch.run(move || {
            let index = nix::net::if_::if_nametoindex(name.as_str()).map_err(io::Error::from)?;
            sys::packet_socket(index, sys::Direction::Incoming)
        });
        let socket = Arc::new(socket.map_err(LabError::io("open a packet socket"))?);
        lock(&self.shared).ports.push(Port {
            socket,
            blocked: false,
        });
        self.wake();
        Ok(())
    }

    pub(super) fn block(&self, port: usize, blocked: bool) {
        if let Some(port) = lock(&self.shared).ports.get_mut(port) {
            port.blocked = blocked;
        }
    }

    pub(super) fn impair(&self, from: usize, to: usize, impairment: Impairment) {
        let seed = Random::new(self.seed ^ ((from as u64) << 32) ^ to as u64).next();
        let mut shared = lock(&self.shared);
        let link = shared.links.entry((from, to));
        link.or_insert_with(|| Link {
            impairment,
            random: Random::new(seed),
        })
        .impairment = impairment;
    }

    fn wake(&self) {
        // Fails only if it is full, and then the thread wakes anyway.
        let _woken = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The relay's thread.
fn forward(shared: &Mutex<Shared>, wake: &OwnedFd) {
    let mut buffer = [0; FRAME];
    loop {
        let (sockets, due) = {
            let mut shared = lock(shared);
            if shared.stop {
                return;
            }
            shared.deliver(clock::monotonic_nanos());
            let sockets: Vec<_> = shared
                .ports
                .iter()
                .map(|port| Arc::clone(&port.socket))
                .collect();
            (
                sockets,
                shared.delayed.peek().map(|Reverse(first)| first.due),
            )
        };
        let mut waiting = vec![PollFd::new(wake, PollFlags::IN)];
        waiting.extend(
            sockets
                .iter()
                .map(|socket| PollFd::new(&**socket, PollFlags::IN)),
        );
        let timeout = due.map(|due| span(due.saturating_sub(clock::monotonic_nanos())));
        if poll(&mut waiting, timeout.as_ref()).is_err() {
            continue;
        }
        let _drained = rustix::io::read(wake, &mut [0; 8]);
        for (from, socket) in sockets.iter().enumerate() {
            for _ in 0..BATCH {
                // An interface that is down or gone says so once (ENETDOWN), which also clears it.
                let Ok((length, _)) = recv(&**socket, &mut buffer, RecvFlags::DONTWAIT) else {
                    break;
                };
                if let Some(frame) = buffer.get(..length) {
                    lock(shared).take(from, frame, clock::monotonic_nanos());
                }
            }
        }
    }
}

fn span(nanos: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
    }
}

impl Shared {
    /// Learns from a frame and decides where it goes and when.
    fn take(&mut self, from: usize, frame: &[u8], now: u64) {
        let Some((header, _)) = frame.split_first_chunk::<12>() else {
            return;
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *header;
        if self.ports.get(from).is_none_or(|port| port.blocked) {
            return;
        }
        self.behind.insert(Mac::new([s0, s1, s2, s3, s4, s5]), from);
        // The low bit of the first octet marks a group address (IEEE 802.3 §3.2.3).
        let group = d0 & 1 == 1;
        let known = self
            .behind
            .get(&Mac::new([d0, d1, d2, d3, d4, d5]))
            .copied();
        let known = known.filter(|_| !group);
        for to in 0..self.ports.len() {
            if to != from && known.is_none_or(|port| port == to) {
                self.send(from, to, frame, now);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, frame: &[u8], now: u64) {
        let mut copies = 1;
        if let Some(Link { impairment, random }) = self.links.get_mut(&(from, to)) {
            let lost = random.below(1000) < u64::from(impairment.loss);
            let twice = random.below(1000) < u64::from(impairment.duplicates);
            copies = if lost { 0 } else { 1 + u8::from(twice) };
            let jitter = u64::try_from(impairment.jitter.as_nanos()).unwrap_or(u64::MAX);
            let delay = u64::try_from(impairment.delay.as_nanos()).unwrap_or(u64::MAX);
            if delay > 0 || jitter > 0 {
                let frame: Arc<[u8]> = frame.into();
                for _ in 0..copies {
                    let due = now
                        .saturating_add(delay)
                        .saturating_add(random.below(jitter));
                    let order = self.count;
                    self.count += 1;
                    if self.delayed.len() < QUEUE {
                        self.delayed.push(Reverse(Delayed {
                            due,
                            order,
                            to,
                            frame: frame.clone(),
                        }));
                    }
                }
                return;
            }
        }
        for _ in 0..copies {
            self.transmit(to, frame);
        }
    }

    fn deliver(&mut self, now: u64) {
        while self
            .delayed
            .peek()
            .is_some_and(|Reverse(first)| first.due <= now)
        {
            if let Some(Reverse(first)) = self.delayed.pop() {
                self.transmit(first.to, &first.frame);
            }
        }
    }

    fn transmit(&self, to: usize, frame: &[u8]) {
        if let Some(port) = self.ports.get(to).filter(|port| !port.blocked) {
            // A frame that the interface does not take (down, gone, full) is lost, as on a wire.
            let _taken = send(&*port.socket, frame, SendFlags::DONTWAIT);
        }
    }
}

//! What a client sees: an echo request each half millisecond to one address.

mod report;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};

pub use self::report::{Outage, ProbeReport, Responder, Snapshot, Stall};
use self::report::{Probe, analyse};
use crate::{Host, LabError, Mac, clock, sys, wait_until};

/// The sender was late by more than this: the machine stalled.
const STALL: Duration = Duration::from_millis(5);
/// No more stalls, and no more different responders, than this are recorded.
const LIMIT: usize = 255;

/// How often, and how long at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeConfig {
    interval: Duration,
    limit: u32,
    patience: Duration,
}

impl Default for ProbeConfig {
    /// 2 kHz for at most ten minutes, and 100 ms of patience.
    fn default() -> Self {
        Self {
            interval: Duration::from_micros(500),
            limit: 1_200_000,
            patience: Duration::from_millis(100),
        }
    }
}

impl ProbeConfig {
    /// A probe each `interval`, at least 50 µs.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_micros(50));
        self
    }

    /// An answer later than `patience` does not count as one: while an address moves, a kernel may hold packets back
    /// that wait for ARP, which is an outage all the same.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// No more than `probes` in all; each takes 16 bytes of memory.
    #[must_use]
    pub fn limit(mut self, probes: u32) -> Self {
        self.limit = probes;
        self
    }
}

/// What is known of one probe. Written by the sender (`sent`) and the receiver (the rest).
#[derive(Debug, Default)]
struct Slot {
    /// Nanoseconds since the start, plus 1; 0: not sent.
    sent: AtomicU64,
    /// Microseconds until the first answer.
    rtt: AtomicU32,
    /// How many answers.
    copies: AtomicU8,
    /// Who answered first.
    responder: AtomicU8,
}

impl Slot {
    fn sent(&self) -> Duration {
        Duration::from_nanos(self.sent.load(Ordering::Acquire).saturating_sub(1))
    }

    fn read(&self, macs: &[Mac], patience: Duration) -> Probe {
        let copies = self.copies.load(Ordering::Acquire);
        let rtt = Duration::from_micros(self.rtt.load(Ordering::Relaxed).into());
        let in_time = copies > 0 && rtt <= patience;
        let by = macs
            .get(usize::from(self.responder.load(Ordering::Relaxed)))
            .copied();
        Probe {
            sent: self.sent(),
            rtt: in_time.then_some(rtt),
            copies,
            by: by.filter(|_| in_time),
        }
    }
}

#[derive(Debug)]
struct Shared {
    start: u64,
    id: u16,
    target: IpAddr,
    config: ProbeConfig,
    slots: Box<[Slot]>,
    sent: AtomicU32,
    responders: Mutex<Vec<Mac>>,
    stalls: Mutex<Vec<Stall>>,
    stop_sending: AtomicBool,
    stop_receiving: AtomicBool,
}

/// Sends ICMP echo requests to one address from one host, on an absolute clock, and records what comes back and from
/// which hardware address. The requests take the kernel's way: routes, ARP and neighbour discovery are real.
///
/// Times are given since the prober's start; see [`elapsed`](Self::elapsed).
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Prober {
    /// Starts to probe `target` from `host`.
    ///
    /// # Errors
    ///
    /// The kernel's answer if a socket cannot be opened.
    pub fn start(host: &Host, target: IpAddr, config: ProbeConfig) -> Result<Self, LabError> {
        static NEXT_ID: AtomicU16 = AtomicU16::new(1);
        let slots = usize::try_from(config.limit).unwrap_or(0);
        let shared = Arc::new(Shared {
            start: clock::monotonic_nanos(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            target,
            config,
            slots: std::iter::repeat_with(Slot::default).take(slots).collect(),
            sent: AtomicU32::new(0),
            responders: Mutex::default(),
            stalls: Mutex::default(),
            stop_sending: AtomicBool::new(false),
            stop_receiving: AtomicBool::new(false),
        });
        let (family, protocol) = match target {
            IpAddr::V4(_) => (AddressFamily::INET, rustix::net::ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, rustix::net::ipproto::ICMPV6),
        };
        let sender = host.run(move || socket(family, SocketType::RAW, Some(protocol)));
        let sender = sender.map_err(LabError::os("open a raw socket"))?;
        let receiver = host.run(|| sys::packet_socket(0, sys::Direction::Incoming));
        let receiver = receiver.map_err(LabError::io("open a packet socket"))?;
        let mut prober = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        let ours = Arc::clone(&shared);
        prober
            .threads
            .push(host.thread("prober: receive", move || ours.receive(&receiver))?);
        prober
            .threads
            .push(host.thread("prober: send", move || shared.send(&sender))?);
        Ok(prober)
    }

    /// How long it has been probing: the clock of its report.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.elapsed()
    }

    /// What the client saw of the probes sent from `from` until now. The last ones without an answer, which may still come
    /// in time, are left out.
    #[must_use]
    pub fn report_since(&self, from: Duration) -> ProbeReport {
        let until = self.elapsed();
        self.shared.report(
            from,
            until,
            until.saturating_sub(self.shared.config.patience),
        )
    }

    /// What the client saw of the probes sent between two moments.
    #[must_use]
    pub fn report_between(&self, from: Duration, until: Duration) -> ProbeReport {
        self.shared.report(
            from,
            until,
            self.elapsed().saturating_sub(self.shared.config.patience),
        )
    }

    /// What the client sees now, judged by the probes of the last `window`.
    #[must_use]
    pub fn snapshot(&self, window: Duration) -> Snapshot {
        let now = self.elapsed();
        self.report_since(now.saturating_sub(window)).snapshot(now)
    }

    /// Waits until a probe sent after `from` has been answered, and by `by` if that is given; returns when it was sent.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`].
    pub fn wait_answered(
        &self,
        from: Duration,
        by: Option<Mac>,
        bound: Duration,
    ) -> Result<Duration, LabError> {
        let wanted = |probe: &Probe| probe.answered() && by.is_none_or(|by| probe.by == Some(by));
        let who = by.map_or_else(String::new, |mac| format!(" by {mac}"));
        wait_until(
            &format!("{} to answer{who}", self.shared.target),
            bound,
            || {
                self.shared
                    .latest()
                    .is_some_and(|probe| probe.sent >= from && wanted(&probe))
            },
        )?;
        let found = self
            .shared
            .probes(from, self.elapsed())
            .into_iter()
            .find(wanted);
        Ok(found.map_or(from, |probe| probe.sent))
    }

    /// Who answered the last probe that was answered, and when that was sent.
    #[must_use]
    pub fn latest(&self) -> Option<Responder> {
        let probe = self.shared.latest()?;
        Some(Responder {
            from: probe.sent,
            mac: probe.by?,
        })
    }

    /// Stops, waits for answers that may still come in time, and reports on everything.
    #[must_use]
    pub fn finish(mut self) -> ProbeReport {
        let until = self.elapsed();
        self.shared.stop_sending.store(true, Ordering::Relaxed);
        thread::sleep(self.shared.config.patience);
        self.join();
        self.shared.report(Duration::ZERO, until, until)
    }

    fn join(&mut self) {
        self.shared.stop_sending.store(true, Ordering::Relaxed);
        self.shared.stop_receiving.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(clock::monotonic_nanos().saturating_sub(self.start))
    }

    fn send(&self, socket: &OwnedFd) {
        let interval = u64::try_from(self.config.interval.as_nanos()).unwrap_or(u64::MAX);
        let to = SocketAddr::new(self.target, 0);
        let mut due = clock::monotonic_nanos();
        for (sequence, slot) in (0..self.config.limit).zip(&*self.slots) {
            due = due.saturating_add(interval);
            clock::sleep_until(due);
            if self.stop_sending.load(Ordering::Relaxed) {
                return;
            }
            let now = clock::monotonic_nanos();
            let late = Duration::from_nanos(now.saturating_sub(due));
            if late > STALL {
                let at = Duration::from_nanos(due.saturating_sub(self.start));
                let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
                if stalls.len() < LIMIT {
                    stalls.push(Stall { at, length: late });
                }
                // The probes of a stall were never sent: no burst makes up for them.
                due = now;
            }
            slot.sent
                .store(now.saturating_sub(self.start) + 1, Ordering::Release);
            self.sent.store(sequence + 1, Ordering::Release);
            // A probe that the kernel cannot send (no route, no neighbour) is a lost one.
            let request = wire::request(self.target, self.id, sequence);
            let _sent = sendto(socket, &request, SendFlags::DONTWAIT, &to);
        }
    }

    fn receive(&self, socket: &OwnedFd) {
        let mut buffer = [0; 256];
        while !self.stop_receiving.load(Ordering::Relaxed) {
            // Often enough to notice the end.
            let tick = Timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let _ready = poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&tick));
            while let Ok((length, _)) = recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
                let frame = buffer.get(..length).unwrap_or_default();
                if let Some((mac, sequence)) = wire::reply(frame, self.target, self.id) {
                    self.answered(sequence, mac);
                }
            }
        }
    }

    fn answered(&self, sequence: u32, mac: Mac) {
        let Some(slot) = usize::try_from(sequence)
            .ok()
            .and_then(|n| self.slots.get(n))
        else {
            return;
        };
        let sent = slot.sent.load(Ordering::Acquire).saturating_sub(1) + self.start;
        let rtt = clock::monotonic_nanos().saturating_sub(sent) / 1000;
        if slot.copies.load(Ordering::Relaxed) == 0 {
            slot.rtt
                .store(u32::try_from(rtt).unwrap_or(u32::MAX), Ordering::Relaxed);
            slot.responder.store(self.responder(mac), Ordering::Relaxed);
        }
        // Only this thread counts; the readers see the rest once they see the count.
        let copies = slot.copies.load(Ordering::Relaxed).saturating_add(1);
        slot.copies.store(copies, Ordering::Release);
    }

    fn responder(&self, mac: Mac) -> u8 {
        let mut all = self
            .responders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let place = all
            .iter()
            .position(|&known| known == mac)
            .unwrap_or_else(|| {
                if all.len() < LIMIT {
                    all.push(mac);
                }
                all.len() - 1
            });
        u8::try_from(place).unwrap_or(u8::MAX)
    }

    fn probes(&self, from: Duration, until: Duration) -> Vec<Probe> {
        let slots = self.sent_slots();
        let first = slots.partition_point(|slot| slot.sent() < from);
        let slots = slots
            .iter()
            .skip(first)
            .take_while(|slot| slot.sent() <= until);
        let macs = self
            .responders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slots
            .map(|slot| slot.read(&macs, self.config.patience))
            .collect()
    }

    /// The last probe with an answer.
    fn latest(&self) -> Option<Probe> {
        let answered = |slot: &&Slot| slot.copies.load(Ordering::Acquire) > 0;
        let slot = self.sent_slots().iter().rev().find(answered)?;
        let macs = self
            .responders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(slot.read(&macs, self.config.patience))
    }

    fn sent_slots(&self) -> &[Slot] {
        let count = usize::try_from(self.sent.load(Ordering::Acquire)).unwrap_or(0);
        self.slots.get(..count).unwrap_or_default()
    }

    fn report(&self, from: Duration, until: Duration, settled: Duration) -> ProbeReport {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let during = |stall: &&Stall| stall.at + stall.length >= from && stall.at <= until;
        let stalls = stalls.iter().filter(during).copied().collect();
        analyse(&self.probes(from, until), settled, stalls)
    }
}

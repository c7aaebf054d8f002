//! Probes that only connect, many with a system call: a SYN leaves by a raw socket, and the answer to it comes back
//! there. It comes to the kernel too, which knows of no such connection and answers with a reset.
//!
//! Nothing that goes wrong here makes a server fail: what cannot be sent is handed back, to be probed by a connection.

mod filter;
mod outlet;
mod pending;
mod routes;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tracing::debug;

use self::outlet::{OutletId, Resets};
use self::pending::{Due, Origin, Pending, Reading};
use self::routes::{Routes, Source};
use self::wire::{Encoded, Kind, Purpose, Segment};
use super::core::{Outcome, Start};
use crate::check::CheckError;
use crate::random;
use crate::schedule::ProbeId;

/// Answers are looked for so often while many come, and not at any turn of the loop.
const LOOK: Duration = Duration::from_millis(5);
/// How long after something was sent most answers are there.
const LIVELY: Duration = Duration::from_millis(50);
/// So many system calls of receiving are made at a time, to go on with other work: more than the buffer of a socket has
/// packets for.
const MAX_BATCHES: u32 = 64;

#[derive(Debug)]
pub(super) struct Engine {
    routes: Routes,
    pending: Pending,
    unsent: Vec<ProbeId>,
    resets: Vec<(OutletId, Segment)>,
    ended: VecDeque<(ProbeId, Outcome)>,
    returned: VecDeque<Start>,
    numbers: Numbers,
    strays: u64,
    looked: Instant,
    sent: Instant,
}

impl Engine {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            routes: Routes::new(now),
            pending: Pending::default(),
            unsent: Vec::new(),
            resets: Vec::new(),
            ended: VecDeque::new(),
            returned: VecDeque::new(),
            numbers: Numbers::default(),
            strays: 0,
            looked: now,
            sent: now,
        }
    }

    /// Begins a probe, or returns it. It leaves with [`Engine::flush`].
    pub(super) fn begin(&mut self, now: Instant, start: Start) {
        match self.origin(now, &start, Source::AsKnown) {
            Some(origin) => {
                self.unsent.push(start.id);
                self.pending.insert(now, start, origin);
            }
            None => self.returned.push_back(start),
        }
    }

    /// Gives up a probe.
    pub(super) fn cancel(&mut self, id: ProbeId) {
        let _whether = self.pending.remove(id);
    }

    /// A probe that has ended.
    pub(super) fn poll_ended(&mut self) -> Option<(ProbeId, Outcome)> {
        self.ended.pop_front()
    }

    /// A probe that cannot be made in this way.
    pub(super) fn poll_returned(&mut self) -> Option<Start> {
        self.returned.pop_front()
    }

    /// When the loop must turn again at the latest.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let due = self.pending.poll_timeout()?;
        let is_lively = now < self.sent + LIVELY;
        Some(if is_lively { due.min(now + LOOK) } else { due })
    }

    /// How many segments came to our ports that nobody waited for.
    pub(super) const fn strays(&self) -> u64 {
        self.strays
    }

    /// Takes the answers that are there, and does what it is time for.
    pub(super) fn turn(&mut self, now: Instant) {
        let due = self.pending.poll_timeout();
        if due.is_none_or(|due| now < due) && now < self.looked + LOOK {
            return;
        }
        self.looked = now;
        self.receive(now);
        while let Some(due) = self.pending.poll_due(now) {
            match due {
                Due::Repeat(id) => self.again(now, id),
                Due::TimedOut(start, outlet) => self.timed_out(now, &start, outlet),
            }
        }
        self.routes.tidy(now);
    }

    fn receive(&mut self, now: Instant) {
        for outlet_id in self.pending.outlets() {
            let mut recalled = Vec::new();
            let Some(outlet) = self.routes.outlet(outlet_id) else {
                self.give_back(outlet_id);
                continue;
            };
            for _ in 0..MAX_BATCHES {
                let more = outlet.receive(|answer| {
                    let Some(answer) = answer else {
                        self.strays += 1;
                        return;
                    };
                    match self.pending.answer(&answer) {
                        Reading::Ended(id, outcome) => self.ended.push_back((id, outcome)),
                        Reading::Recalled(id) => recalled.push(id),
                        Reading::Stray => self.strays += 1,
                    }
                    // Also to what has been answered before, or is too late.
                    if answer.kind == Kind::Accepts && outlet.resets() == Resets::Ours {
                        let reset = Segment {
                            source: outlet.source(),
                            source_port: answer.to_port,
                            target: answer.from,
                            sequence: answer.acknowledges,
                            purpose: Purpose::Reset,
                        };
                        self.resets.push((outlet_id, reset));
                    }
                });
                match more {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        debug!(%error, "a raw socket cannot be read");
                        self.routes.close(outlet_id);
                        self.give_back(outlet_id);
                        break;
                    }
                }
            }
            for id in recalled {
                self.elsewhere(now, id);
            }
        }
    }

    /// All who wait at an outlet that is no more.
    fn give_back(&mut self, outlet: OutletId) {
        for id in self.pending.at(outlet) {
            self.returned.extend(self.pending.remove(id));
        }
    }

    /// Repeats a SYN; from elsewhere, if this machine's addresses have changed.
    fn again(&mut self, now: Instant, id: ProbeId) {
        let Some(attempt) = self.pending.attempt(id) else {
            return;
        };
        let outlet = attempt.origin.outlet;
        match origin(
            &mut self.routes,
            &self.pending,
            &mut self.numbers,
            now,
            &attempt.start,
            Source::Anew,
        ) {
            Some(origin) => {
                if origin.outlet != outlet {
                    self.pending.relocate(id, origin);
                }
                self.unsent.push(id);
            }
            None => self.returned.extend(self.pending.remove(id)),
        }
    }

    /// Sends another SYN, from another port. The answer of the kernel to what the server thinks of is on its way.
    fn elsewhere(&mut self, now: Instant, id: ProbeId) {
        let Some(attempt) = self.pending.attempt(id) else {
            return;
        };
        let found = origin(
            &mut self.routes,
            &self.pending,
            &mut self.numbers,
            now,
            &attempt.start,
            Source::AsKnown,
        );
        if let Some(origin) = found {
            self.pending.relocate(id, origin);
            self.unsent.push(id);
        }
    }

    fn timed_out(&mut self, now: Instant, start: &Start, outlet: OutletId) {
        if let Some(options) = start.check.half_open() {
            self.routes.doubt(options, start.target);
        }
        let last = || self.pending.last_deadline(outlet);
        let outcome = if self.routes.has_lost(now, outlet, last) {
            Outcome::Failed(CheckError::Local(Errno::NOBUFS.into()))
        } else {
            Outcome::TimedOut
        };
        self.ended.push_back((start.id, outcome));
    }

    fn origin(&mut self, now: Instant, start: &Start, source: Source) -> Option<Origin> {
        origin(
            &mut self.routes,
            &self.pending,
            &mut self.numbers,
            now,
            start,
            source,
        )
    }

    /// Sends what has been begun, is repeated, and ends.
    pub(super) fn flush(&mut self, now: Instant) {
        if self.unsent.is_empty() && self.resets.is_empty() {
            return;
        }
        self.sent = now;
        let mut batches: BTreeMap<OutletId, Batch> = BTreeMap::new();
        for (id, reset) in self.resets.drain(..) {
            batches.entry(id).or_default().push(None, &reset);
        }
        for id in self.unsent.drain(..) {
            let Some(attempt) = self.pending.attempt(id) else {
                continue;
            };
            let origin = attempt.origin;
            let Some(outlet) = self.routes.outlet(origin.outlet) else {
                self.returned.extend(self.pending.remove(id));
                continue;
            };
            let syn = Segment {
                source: outlet.source(),
                source_port: origin.port,
                target: attempt.start.target,
                sequence: origin.sequence,
                purpose: Purpose::Open,
            };
            let batch = batches.entry(origin.outlet).or_default();
            batch.push(Some(id), &syn);
        }
        for (id, batch) in batches {
            self.send(id, &batch);
        }
    }

    fn send(&mut self, id: OutletId, batch: &Batch) {
        let Some(outlet) = self.routes.outlet(id) else {
            return;
        };
        let mut refused = Vec::new();
        outlet.send(&batch.segments, |place, error| {
            debug!(%error, "a segment was not sent");
            refused.extend(batch.of.get(place).copied().flatten());
        });
        for id in refused {
            let Some(start) = self.pending.remove(id) else {
                continue;
            };
            if let Some(options) = start.check.half_open() {
                self.routes.doubt(options, start.target);
            }
            self.returned.push_back(start);
        }
    }
}

/// What leaves by an outlet, and the probes whose SYNs are in it.
#[derive(Debug, Default)]
struct Batch {
    of: Vec<Option<ProbeId>>,
    segments: Vec<(SocketAddr, Encoded)>,
}

impl Batch {
    fn push(&mut self, of: Option<ProbeId>, segment: &Segment) {
        self.of.push(of);
        self.segments.push((segment.target, segment.encode()));
    }
}

/// From where and with which number a SYN leaves.
fn origin(
    routes: &mut Routes,
    pending: &Pending,
    numbers: &mut Numbers,
    now: Instant,
    start: &Start,
    source: Source,
) -> Option<Origin> {
    let way = routes.find(now, start.check.half_open()?, start.target, source)?;
    let mut ports = way.outlet.ports(way.turn);
    let port = ports.find(|port| pending.is_free(start.target, *port))?;
    Some(Origin {
        outlet: way.id,
        port,
        sequence: numbers.next()?,
    })
}

/// Random numbers, many with a system call.
#[derive(Debug, Default)]
struct Numbers {
    bytes: Vec<u8>,
}

impl Numbers {
    fn next(&mut self) -> Option<u32> {
        if self.bytes.is_empty() {
            self.bytes.extend(random::bytes::<256>().ok()?);
        }
        let (rest, number) = self.bytes.split_last_chunk::<4>()?;
        let (left, number) = (rest.len(), u32::from_ne_bytes(*number));
        self.bytes.truncate(left);
        Some(number)
    }
}

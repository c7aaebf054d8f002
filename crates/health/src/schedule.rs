//! When to probe.

mod phase;
#[cfg(test)]
mod tests;
mod timing;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

pub use self::phase::Phase;
use self::timing::MAX_JITTER_PERCENT;
pub use self::timing::{Timing, TimingError};

/// Shorter intervals are taken for this one.
const MIN_PERIOD: u64 = 1_000_000;
/// How soon a probe that could not be made is tried again, the first time.
const RETRY: Duration = Duration::from_secs(1);

/// A probe of a [`Schedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId {
    index: usize,
    /// Tells it from an earlier probe in the same place.
    generation: u32,
}

impl ProbeId {
    /// Its place in a table: places are used again, so they stay few.
    pub(crate) const fn index(self) -> usize {
        self.index
    }
}

/// How a probe ended, for when the next one is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "each needs its own interval")]
pub enum Pace {
    /// The server is down, and that is settled.
    Down,
    /// The server is rising or falling.
    Moving,
    /// The probe could not be made: again soon, each time in a row less soon.
    NotRun,
    /// The server is up, and that is settled.
    Up,
}

/// The times of many probes, without a clock: time goes in, probes that are due come out.
///
/// Each probe has its own place in its interval, which its [`Phase`] decides, and jitter around it. It is due once, and
/// not again before [`Schedule::finish`]: it never has two under way. Nothing is due in a burst: neither the first
/// probes, nor after a change of timing.
#[derive(Debug)]
pub struct Schedule {
    epoch: Instant,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Entries whose slot says otherwise are stale.
    due: BinaryHeap<Reverse<Due>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// Nanoseconds since the epoch, as all numbers here.
    at: u64,
    id: ProbeId,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    phase: Phase,
    timing: Timing,
    state: State,
    pace: Pace,
    /// When it was to be due, without jitter.
    nominal: u64,
    /// How many random numbers it has drawn.
    draws: u64,
    /// How many times in a row it could not be made.
    not_run: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Due(u64),
    Free,
    UnderWay,
}

impl Schedule {
    /// An empty one, that counts time from `epoch`: any moment that is not later than all others.
    #[must_use]
    pub const fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            slots: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
        }
    }

    /// Adds a probe that is due for the first time `within` this time, at a place that its phase decides, or within
    /// its interval if that is shorter.
    pub fn insert(
        &mut self,
        now: Instant,
        phase: Phase,
        timing: Timing,
        within: Duration,
    ) -> ProbeId {
        let first = phase.within(nanos(within.min(timing.interval)));
        let at = self.since_epoch(now).saturating_add(first);
        let mut slot = Slot {
            generation: 0,
            phase,
            timing,
            state: State::Due(at),
            pace: Pace::Moving,
            nominal: at,
            draws: 0,
            not_run: 0,
        };
        let free = self.free.pop();
        let id = match free.and_then(|index| Some((index, self.slots.get_mut(index)?))) {
            Some((index, place)) => {
                slot.generation = place.generation.wrapping_add(1);
                let generation = slot.generation;
                *place = slot;
                ProbeId { index, generation }
            }
            None => {
                self.slots.push(slot);
                ProbeId {
                    index: self.slots.len() - 1,
                    generation: 0,
                }
            }
        };
        self.push(Due { at, id });
        id
    }

    /// Takes a probe out. It will not be due any more.
    pub fn remove(&mut self, id: ProbeId) {
        if let Some(slot) = self.slot(id) {
            slot.state = State::Free;
            self.free.push(id.index);
        }
    }

    /// Changes the timing of a probe. If its interval changes, it is next due at its place in the new one.
    pub fn set_timing(&mut self, now: Instant, id: ProbeId, timing: Timing) {
        let now = self.since_epoch(now);
        let Some(slot) = self.slot(id) else { return };
        let before = slot.period();
        slot.timing = timing;
        let probed = slot.draws > 0;
        if matches!(slot.state, State::Due(_)) && probed && slot.period() != before {
            let at = slot.next_in_place(now);
            self.push(Due { at, id });
        }
    }

    /// Makes a probe due at once, if it is not under way.
    pub fn set_due(&mut self, now: Instant, id: ProbeId) {
        let at = self.since_epoch(now);
        let Some(slot) = self.slot(id) else { return };
        if let State::Due(due) = slot.state
            && at < due
        {
            slot.state = State::Due(at);
            self.push(Due { at, id });
        }
    }

    /// When the next probe is due.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let at = self.peek()?.at;
        self.epoch.checked_add(Duration::from_nanos(at))
    }

    /// A probe that is due. It is under way until [`Schedule::finish`].
    pub fn poll_due(&mut self, now: Instant) -> Option<ProbeId> {
        let due = self.peek()?;
        if due.at > self.since_epoch(now) {
            return None;
        }
        self.due.pop();
        let slot = self.slot(due.id)?;
        slot.state = State::UnderWay;
        Some(due.id)
    }

    /// A probe that `started` then has ended now.
    pub fn finish(&mut self, now: Instant, id: ProbeId, started: Instant, pace: Pace) {
        let (now, started) = (self.since_epoch(now), self.since_epoch(started));
        let Some(slot) = self.slot(id) else { return };
        if slot.state != State::UnderWay {
            return;
        }
        let at = slot.next(now, started, pace);
        self.push(Due { at, id });
    }

    /// How many probes it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&mut self, id: ProbeId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index)?;
        (slot.generation == id.generation && slot.state != State::Free).then_some(slot)
    }

    fn since_epoch(&self, time: Instant) -> u64 {
        nanos(time.saturating_duration_since(self.epoch))
    }

    /// The first entry that is not stale.
    fn peek(&mut self) -> Option<Due> {
        while let Some(Reverse(due)) = self.due.peek().copied() {
            if is_current(&self.slots, due) {
                return Some(due);
            }
            self.due.pop();
        }
        None
    }

    fn push(&mut self, due: Due) {
        // Stale entries must not pile up when probes are replaced again and again.
        if self.due.len() > 2 * self.slots.len() + 64 {
            let slots = &self.slots;
            self.due.retain(|Reverse(due)| is_current(slots, *due));
        }
        self.due.push(Reverse(due));
    }
}

fn is_current(slots: &[Slot], due: Due) -> bool {
    slots.get(due.id.index).is_some_and(|slot| {
        slot.generation == due.id.generation && slot.state == State::Due(due.at)
    })
}

impl Slot {
    /// The interval at the present pace.
    fn period(&self) -> u64 {
        let interval = match self.pace {
            Pace::Down => self.timing.down_interval,
            Pace::Moving => self.timing.fast_interval,
            Pace::NotRun | Pace::Up => self.timing.interval,
        };
        nanos(interval).max(MIN_PERIOD)
    }

    /// When it is due after a probe that has `started` then and ended `now`.
    fn next(&mut self, now: u64, started: u64, pace: Pace) -> u64 {
        self.pace = pace;
        self.not_run = match pace {
            Pace::NotRun => self.not_run.saturating_add(1),
            Pace::Down | Pace::Moving | Pace::Up => 0,
        };
        let period = self.period();
        if pace == Pace::NotRun
            && let Some(delay) = self.delay_before_try(period)
        {
            self.nominal = now;
            return self.due(now.saturating_add(delay));
        }
        match pace {
            Pace::Moving if self.timing.fast_interval < self.timing.interval => {
                self.nominal = started;
                self.around(started.saturating_add(period), period)
            }
            Pace::Down | Pace::Moving | Pace::NotRun | Pace::Up => {
                // A probe that came late does not move those behind it.
                let earliest = started.max(self.nominal.saturating_add(period / 2));
                self.next_in_place(earliest)
            }
        }
    }

    /// At its place in the interval, `earliest` then.
    fn next_in_place(&mut self, earliest: u64) -> u64 {
        let period = self.period();
        let offset = self.phase.within(period);
        let periods = earliest.saturating_sub(offset).div_ceil(period);
        self.nominal = offset.saturating_add(periods.saturating_mul(period));
        self.around(self.nominal, period)
    }

    /// In the second half of a time that doubles with each try; `None` once that is as long as the interval.
    fn delay_before_try(&mut self, interval: u64) -> Option<u64> {
        let first = RETRY.min(self.timing.fast_interval);
        let doubled = nanos(first)
            .max(MIN_PERIOD)
            .saturating_mul(1 << self.not_run.saturating_sub(1).min(16));
        (doubled < interval).then(|| doubled - self.draw(doubled / 2))
    }

    /// Near `at`, as far as the jitter of `period` goes.
    fn around(&mut self, at: u64, period: u64) -> u64 {
        let percent = self.timing.jitter_percent.min(MAX_JITTER_PERCENT);
        let reach = period / 100 * u64::from(percent);
        let jitter = self.draw(2 * reach);
        self.due(at.saturating_add(jitter).saturating_sub(reach))
    }

    const fn due(&mut self, at: u64) -> u64 {
        self.state = State::Due(at);
        at
    }

    /// A random number from 0 to `most`.
    const fn draw(&mut self, most: u64) -> u64 {
        let random = self.phase.random(self.draws);
        self.draws = self.draws.saturating_add(1);
        match random.checked_rem(most.saturating_add(1)) {
            Some(number) => number,
            None => 0,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

//! The election's timers, and which of them is next.

use std::time::Instant;

use crate::interface::{Deadline, Timer};

/// In the order in which timers due at the same moment are served.
const ORDER: [Timer; 11] = [
    Timer::Leave,
    Timer::Linger,
    Timer::Advertise,
    Timer::MasterDown,
    Timer::Acquire,
    Timer::PreemptDelay,
    Timer::Renew,
    Timer::Announce,
    Timer::Retry,
    Timer::Adopt,
    Timer::StandBy,
];

/// At most one deadline for each [`Timer`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    slots: [Option<Instant>; ORDER.len()],
    /// One bit for each slot that is filled, so that only those are looked at.
    filled: u16,
    next: Option<Deadline>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.write(timer, Some(at));
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.write(timer, None);
    }

    /// Stops what belongs to a state, and not what outlasts it.
    pub(crate) fn stop_all(&mut self) {
        let lasting = [Timer::Adopt, Timer::StandBy].map(|timer| (timer, self.get(timer)));
        *self = Self::default();
        for (timer, at) in lasting {
            if let Some(at) = at {
                self.set(timer, at);
            }
        }
    }

    pub(crate) const fn next(&self) -> Option<Deadline> {
        self.next
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.slots.get(slot(timer)).copied().flatten()
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.get(timer).is_some()
    }

    fn write(&mut self, timer: Timer, at: Option<Instant>) {
        let slot = slot(timer);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = at;
        }
        self.filled = (self.filled & !(1 << slot)) | (u16::from(at.is_some()) << slot);
        match (at, self.next) {
            (Some(at), Some(next)) if at < next.at => self.next = Some(Deadline { at, timer }),
            (_, Some(next)) if next.timer != timer && at.is_none_or(|at| at > next.at) => {}
            _ => self.next = self.earliest(),
        }
    }

    fn earliest(&self) -> Option<Deadline> {
        let mut earliest: Option<Deadline> = None;
        let mut filled = self.filled;
        while filled != 0 {
            let slot = filled.trailing_zeros() as usize;
            filled &= filled - 1;
            if let (Some(&timer), Some(&Some(at))) = (ORDER.get(slot), self.slots.get(slot))
                && earliest.is_none_or(|deadline| at < deadline.at)
            {
                earliest = Some(Deadline { at, timer });
            }
        }
        earliest
    }
}

const fn slot(timer: Timer) -> usize {
    match timer {
        Timer::Leave => 0,
        Timer::Linger => 1,
        Timer::Advertise => 2,
        Timer::MasterDown => 3,
        Timer::Acquire => 4,
        Timer::PreemptDelay => 5,
        Timer::Renew => 6,
        Timer::Announce => 7,
        Timer::Retry => 8,
        Timer::Adopt => 9,
        Timer::StandBy => 10,
    }
}

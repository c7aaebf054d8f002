//! The probes that wait for an answer, without I/O and without a clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::outlet::OutletId;
use super::wire::{Answer, Kind};
use crate::check::{CheckError, Pass};
use crate::runner::core::{Outcome, Start};
use crate::schedule::ProbeId;

/// When a SYN is repeated for the first time, and so long after it was, doubled each time, as Linux does.
const REPEAT: Duration = Duration::from_secs(1);
/// More than fit into any timeout.
const MAX_REPEATS: u32 = 16;

/// Where a SYN leaves from, and the number that the answer to it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) outlet: OutletId,
    pub(super) port: u16,
    pub(super) sequence: u32,
}

/// A probe that waits.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) start: Start,
    pub(super) origin: Origin,
    began: Instant,
    deadline: Instant,
    sent: u32,
    due: Instant,
    recalled: bool,
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Reading {
    Ended(ProbeId, Outcome),
    /// The server thinks of an older connection: another one is to be tried.
    Recalled(ProbeId),
    /// Nobody waits for it.
    Stray,
}

/// What is to be done since it is time.
#[derive(Debug)]
pub(super) enum Due {
    /// The SYN is to be repeated.
    Repeat(ProbeId),
    /// There was no answer in time to what was sent from there.
    TimedOut(Start, OutletId),
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    attempts: BTreeMap<ProbeId, Attempt>,
    /// By what an answer comes from and to: ports are those of one outlet only.
    places: HashMap<(SocketAddr, u16), ProbeId>,
    due: BTreeSet<(Instant, ProbeId)>,
    /// How many wait at each.
    outlets: BTreeMap<OutletId, usize>,
}

impl Pending {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Whether no probe of `target` waits at `port`.
    pub(super) fn is_free(&self, target: SocketAddr, port: u16) -> bool {
        !self.places.contains_key(&(target, port))
    }

    pub(super) fn insert(&mut self, now: Instant, start: Start, origin: Origin) {
        let id = start.id;
        let deadline = now + start.window;
        let due = deadline.min(now + REPEAT);
        self.due.insert((due, id));
        self.places.insert((start.target, origin.port), id);
        self.come(origin.outlet);
        self.attempts.insert(
            id,
            Attempt {
                start,
                origin,
                began: now,
                deadline,
                sent: 1,
                due,
                recalled: false,
            },
        );
    }

    pub(super) fn attempt(&self, id: ProbeId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    /// It leaves from elsewhere from now on.
    pub(super) fn relocate(&mut self, id: ProbeId, origin: Origin) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            let target = attempt.start.target;
            self.places.remove(&(target, attempt.origin.port));
            self.places.insert((target, origin.port), id);
            let before = std::mem::replace(&mut attempt.origin, origin);
            self.go(before.outlet);
            self.come(origin.outlet);
        }
    }

    /// The outlets that anybody waits at.
    pub(super) fn outlets(&self) -> Vec<OutletId> {
        self.outlets.keys().copied().collect()
    }

    /// Until when the last one waits at `outlet`.
    pub(super) fn last_deadline(&self, outlet: OutletId) -> Option<Instant> {
        let all = self.attempts.values();
        let there = all.filter(|attempt| attempt.origin.outlet == outlet);
        there.map(|attempt| attempt.deadline).max()
    }

    /// Who waits at `outlet`.
    pub(super) fn at(&self, outlet: OutletId) -> Vec<ProbeId> {
        let all = self.attempts.iter();
        let there = all.filter(|(_, attempt)| attempt.origin.outlet == outlet);
        there.map(|(id, _)| *id).collect()
    }

    fn come(&mut self, outlet: OutletId) {
        *self.outlets.entry(outlet).or_default() += 1;
    }

    fn go(&mut self, outlet: OutletId) {
        if let Some(count) = self.outlets.get_mut(&outlet) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.outlets.remove(&outlet);
            }
        }
    }

    pub(super) fn remove(&mut self, id: ProbeId) -> Option<Start> {
        let attempt = self.attempts.remove(&id)?;
        self.due.remove(&(attempt.due, id));
        self.places
            .remove(&(attempt.start.target, attempt.origin.port));
        self.go(attempt.origin.outlet);
        Some(attempt.start)
    }

    /// Only what acknowledges the number that was sent is an answer: nobody else can know it.
    pub(super) fn answer(&mut self, answer: &Answer) -> Reading {
        let place = (answer.from, answer.to_port);
        let Some(id) = self.places.get(&place).copied() else {
            return Reading::Stray;
        };
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return Reading::Stray;
        };
        let is_ours = answer.acknowledges == attempt.origin.sequence.wrapping_add(1);
        let outcome = match (answer.kind, is_ours) {
            (Kind::Accepts, true) => Outcome::Passed(Pass::new()),
            (Kind::Refuses, true) => Outcome::Failed(CheckError::Refused),
            // Once for a probe: who sends such things on purpose gains nothing.
            (Kind::Recalls, false) if !attempt.recalled => {
                attempt.recalled = true;
                return Reading::Recalled(id);
            }
            (Kind::Accepts | Kind::Refuses, false) | (Kind::Recalls, _) => return Reading::Stray,
        };
        self.remove(id);
        Reading::Ended(id, outcome)
    }

    /// Comes after all answers that there are.
    pub(super) fn poll_due(&mut self, now: Instant) -> Option<Due> {
        let (at, id) = self.due.first().copied()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, id));
        let attempt = self.attempts.get_mut(&id)?;
        if attempt.deadline <= now {
            let outlet = attempt.origin.outlet;
            return self.remove(id).map(|start| Due::TimedOut(start, outlet));
        }
        attempt.sent = (attempt.sent + 1).min(MAX_REPEATS);
        let since_begin = REPEAT.saturating_mul((1 << attempt.sent) - 1);
        // A loop that is late catches up by one.
        let next = (attempt.began + since_begin).max(now + REPEAT);
        attempt.due = next.min(attempt.deadline);
        self.due.insert((attempt.due, id));
        Some(Due::Repeat(id))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::runner::clock;
    use crate::runner::tests::fake::{MS, Net, SECOND, server};
    use crate::runner::way::Way;
    use crate::schedule::{Phase, Schedule, Timing};

    /// So many ids.
    fn ids(count: u32) -> Vec<ProbeId> {
        let now = clock::now();
        let mut schedule = Schedule::new(now);
        let timing = Timing::new(SECOND, SECOND).unwrap();
        let targets = (0..count).map(server);
        targets
            .map(|target| schedule.insert(now, Phase::new(1, target, "tcp"), timing, SECOND))
            .collect()
    }

    fn start(id: ProbeId, number: u32, window: Duration) -> Start {
        Start {
            id,
            target: server(number),
            check: Arc::new(Net::default()),
            window,
            way: Way::HalfOpen,
        }
    }

    fn origin(port: u16, sequence: u32) -> Origin {
        Origin {
            outlet: OutletId::default(),
            port,
            sequence,
        }
    }

    fn answer(number: u32, to_port: u16, acknowledges: u32, kind: Kind) -> Answer {
        Answer {
            from: server(number),
            to_port,
            acknowledges,
            kind,
        }
    }

    #[test]
    fn only_what_fits_is_an_answer() {
        let (now, ids) = (clock::now(), ids(2));
        let mut pending = Pending::default();
        pending.insert(now, start(ids[0], 1, SECOND), origin(1000, u32::MAX));
        pending.insert(now, start(ids[1], 2, SECOND), origin(1000, 6));
        for wrong in [
            answer(1, 1000, 7, Kind::Accepts),
            answer(1, 1001, 0, Kind::Accepts),
            answer(3, 1000, 0, Kind::Accepts),
            answer(1, 1000, 1, Kind::Refuses),
            answer(1, 1000, 0, Kind::Recalls),
        ] {
            assert!(
                matches!(pending.answer(&wrong), Reading::Stray),
                "{wrong:?}"
            );
        }
        let first = pending.answer(&answer(1, 1000, 0, Kind::Accepts));
        assert!(matches!(first, Reading::Ended(id, Outcome::Passed(_)) if id == ids[0]));
        let second = pending.answer(&answer(2, 1000, 7, Kind::Refuses));
        assert!(
            matches!(second, Reading::Ended(id, Outcome::Failed(CheckError::Refused)) if id == ids[1])
        );
        let again = pending.answer(&answer(1, 1000, 0, Kind::Accepts));
        assert!(matches!(again, Reading::Stray));
        assert_eq!((pending.len(), pending.poll_timeout()), (0, None));
    }

    #[test]
    fn a_server_that_thinks_of_another_connection_is_asked_again_once() {
        let (now, ids) = (clock::now(), ids(1));
        let mut pending = Pending::default();
        pending.insert(now, start(ids[0], 1, SECOND), origin(1000, 6));
        let recall = answer(1, 1000, 99, Kind::Recalls);
        assert!(matches!(pending.answer(&recall), Reading::Recalled(id) if id == ids[0]));
        pending.relocate(ids[0], origin(1001, 8));
        assert!(pending.is_free(server(1), 1000));
        let recall = answer(1, 1001, 99, Kind::Recalls);
        assert!(matches!(pending.answer(&recall), Reading::Stray));
        let accepts = answer(1, 1001, 9, Kind::Accepts);
        assert!(matches!(pending.answer(&accepts), Reading::Ended(..)));
    }

    #[test]
    fn a_syn_is_repeated_after_one_and_three_seconds_and_given_up_in_time() {
        let (now, ids) = (clock::now(), ids(1));
        let mut pending = Pending::default();
        pending.insert(now, start(ids[0], 1, 5 * SECOND), origin(1000, 6));
        for (at, word) in [
            (999 * MS, ""),
            (SECOND, "Repeat"),
            (2999 * MS, ""),
            (3 * SECOND, "Repeat"),
            (4999 * MS, ""),
            (5 * SECOND, "TimedOut"),
        ] {
            let due = pending.poll_due(now + at);
            let due = due.map(|due| format!("{due:?}")).unwrap_or_default();
            assert_eq!(due.split('(').next(), Some(word), "{at:?}");
            assert!(pending.poll_due(now + at).is_none(), "{at:?}");
        }
        assert!(pending.is_free(server(1), 1000));
    }

    proptest! {
        /// Whatever happens, no probe is lost and none ends twice.
        #[test]
        fn each_ends_once(acts in proptest::collection::vec((0_usize..8, 0_u8..5, 0_u64..1500), 0..200)) {
            let (mut now, ids) = (clock::now(), ids(8));
            let mut pending = Pending::default();
            let mut inside = BTreeSet::new();
            for (which, act, millis) in acts {
                let id = ids[which];
                let number = u32::try_from(which).unwrap();
                match act {
                    0 if inside.insert(id) => {
                        pending.insert(now, start(id, number, 2 * SECOND), origin(1000, number));
                    }
                    1 => {
                        let accepts = answer(number, 1000, number + 1, Kind::Accepts);
                        let ended = matches!(pending.answer(&accepts), Reading::Ended(..));
                        prop_assert_eq!(ended, inside.remove(&id));
                    }
                    2 => prop_assert_eq!(pending.remove(id).is_some(), inside.remove(&id)),
                    _ => now += Duration::from_millis(millis),
                }
                while let Some(due) = pending.poll_due(now) {
                    match due {
                        Due::Repeat(id) => prop_assert!(inside.contains(&id)),
                        Due::TimedOut(start, _) => prop_assert!(inside.remove(&start.id)),
                    }
                }
                prop_assert_eq!(pending.len(), inside.len());
                prop_assert_eq!(pending.due.len(), inside.len());
                prop_assert_eq!(pending.places.len(), inside.len());
                prop_assert_eq!(pending.outlets().is_empty(), inside.is_empty());
                prop_assert_eq!(pending.at(OutletId::default()).len(), inside.len());
                prop_assert!(pending.poll_timeout().is_none_or(|at| at > now));
            }
        }
    }
}

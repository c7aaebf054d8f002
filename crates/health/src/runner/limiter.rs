//! How many probes are under way at once: for each server, of the expensive ones, and in all.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroUsize;

use super::{Class, RunnerLimits};
use crate::schedule::ProbeId;

/// A probe that wants in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) id: ProbeId,
    pub(super) address: IpAddr,
    pub(super) class: Class,
}

/// Lets probes through three gates, one after the other. Whoever waits at one keeps its places behind it: so nobody is
/// overtaken by another that waits for the same, and a crowd at one server holds up nobody else.
#[derive(Debug)]
pub(super) struct Limiter {
    per_target: NonZeroUsize,
    targets: HashMap<IpAddr, Gate>,
    expensive: Gate,
    all: Gate,
    ready: VecDeque<Ticket>,
    queued: usize,
}

/// So many are let in; the others wait in order.
#[derive(Debug)]
struct Gate {
    limit: NonZeroUsize,
    inside: usize,
    waiting: VecDeque<Ticket>,
}

impl Gate {
    const fn new(limit: NonZeroUsize) -> Self {
        Self {
            limit,
            inside: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Whether it is let in; otherwise it waits.
    fn enter(&mut self, ticket: Ticket) -> bool {
        if self.inside < self.limit.get() {
            self.inside += 1;
            return true;
        }
        self.waiting.push_back(ticket);
        false
    }

    /// One leaves, and its place is the next one's.
    fn leave(&mut self) -> Option<Ticket> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.inside = self.inside.saturating_sub(1);
        }
        next
    }

    fn is_empty(&self) -> bool {
        self.inside == 0 && self.waiting.is_empty()
    }
}

impl Limiter {
    pub(super) fn new(limits: RunnerLimits) -> Self {
        Self {
            per_target: limits.per_target,
            targets: HashMap::new(),
            expensive: Gate::new(limits.expensive),
            all: Gate::new(limits.in_flight),
            ready: VecDeque::new(),
            queued: 0,
        }
    }

    /// Queues a probe. It comes out of [`Limiter::poll_ready`] when it is its turn, and is inside until
    /// [`Limiter::leave`].
    pub(super) fn enter(&mut self, ticket: Ticket) {
        self.queued += 1;
        let gate = self.targets.entry(ticket.address);
        if gate
            .or_insert_with(|| Gate::new(self.per_target))
            .enter(ticket)
        {
            self.pass_target(ticket);
        }
    }

    pub(super) fn poll_ready(&mut self) -> Option<Ticket> {
        let ticket = self.ready.pop_front()?;
        self.queued = self.queued.saturating_sub(1);
        Some(ticket)
    }

    /// A probe that was let in has ended.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        if let Some(next) = self.all.leave() {
            self.ready.push_back(next);
        }
        if is_expensive(ticket)
            && let Some(next) = self.expensive.leave()
        {
            self.pass_expensive(next);
        }
        if let Some(gate) = self.targets.get_mut(&ticket.address) {
            let next = gate.leave();
            if gate.is_empty() {
                self.targets.remove(&ticket.address);
            }
            if let Some(next) = next {
                self.pass_target(next);
            }
        }
    }

    /// How many are inside.
    pub(super) fn inside(&self) -> usize {
        self.all.inside.saturating_sub(self.ready.len())
    }

    /// How many wait.
    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    fn pass_target(&mut self, ticket: Ticket) {
        if !is_expensive(ticket) || self.expensive.enter(ticket) {
            self.pass_expensive(ticket);
        }
    }

    fn pass_expensive(&mut self, ticket: Ticket) {
        if self.all.enter(ticket) {
            self.ready.push_back(ticket);
        }
    }
}

const fn is_expensive(ticket: Ticket) -> bool {
    match ticket.class {
        Class::Expensive => true,
        Class::Plain => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::runner::clock;
    use crate::schedule::{Phase, Schedule, Timing};

    #[derive(Debug, Clone)]
    enum Op {
        Enter(u8, Class),
        Leave(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        let class = prop_oneof![Just(Class::Plain), Just(Class::Expensive)];
        prop_oneof![
            3 => (0_u8..6, class).prop_map(|(address, class)| Op::Enter(address, class)),
            2 => any::<usize>().prop_map(Op::Leave),
        ]
    }

    fn ids() -> Vec<ProbeId> {
        let target = SocketAddr::from(([192, 0, 2, 1], 80));
        let now = clock::now();
        let mut schedule = Schedule::new(now);
        let timing = Timing::new(Duration::from_secs(1), Duration::from_secs(1)).unwrap();
        let mut add = |_| schedule.insert(now, Phase::new(0, target, ""), timing, Duration::ZERO);
        (0..300).map(&mut add).collect()
    }

    proptest! {
        /// No cap is passed, who wants the same goes in order, and all get in at last.
        #[test]
        fn caps_hold_and_all_get_in(
            (in_flight, per_target, expensive) in (1_usize..12, 1_usize..5, 1_usize..5),
            ops in prop::collection::vec(op(), 0..300),
        ) {
            let limit = |number| NonZeroUsize::new(number).unwrap();
            let mut limiter = Limiter::new(RunnerLimits {
                in_flight: limit(in_flight),
                per_target: limit(per_target),
                expensive: limit(expensive),
            });
            let ids = ids();
            let mut inside: Vec<Ticket> = Vec::new();
            let mut waiting: Vec<Ticket> = Vec::new();
            for (op, id) in ops.into_iter().zip(ids) {
                match op {
                    Op::Enter(address, class) => {
                        let address = IpAddr::from([192, 0, 2, address]);
                        let ticket = Ticket { id, address, class };
                        waiting.push(ticket);
                        limiter.enter(ticket);
                    }
                    Op::Leave(at) if !inside.is_empty() => {
                        let ticket = inside.remove(at % inside.len());
                        limiter.leave(ticket);
                    }
                    Op::Leave(_) => {}
                }
                while let Some(ticket) = limiter.poll_ready() {
                    let same = |other: &&Ticket| (other.address, other.class) == (ticket.address, ticket.class);
                    prop_assert_eq!(waiting.iter().find(same), Some(&ticket), "in order");
                    waiting.retain(|other| *other != ticket);
                    inside.push(ticket);
                }

                let mut targets: BTreeMap<IpAddr, usize> = BTreeMap::new();
                for ticket in &inside {
                    *targets.entry(ticket.address).or_default() += 1;
                }
                let dear = inside.iter().filter(|ticket| is_expensive(**ticket)).count();
                prop_assert!(inside.len() <= in_flight);
                prop_assert!(dear <= expensive);
                prop_assert!(targets.values().all(|count| *count <= per_target));
                prop_assert_eq!(limiter.inside(), inside.len());
                prop_assert_eq!(limiter.queued(), waiting.len());
            }
            // All get in, if those inside go on leaving.
            while let Some(ticket) = inside.pop() {
                limiter.leave(ticket);
                inside.extend(std::iter::from_fn(|| limiter.poll_ready()));
            }
            prop_assert_eq!(limiter.queued(), 0);
            prop_assert!(limiter.targets.is_empty());
        }
    }
}

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

//! Many seeds on all cores.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::Limits;
use super::invariant::{Checks, Violation};
use super::scenario::Scenario;
use super::subject::Subject;
use super::world::{Outcome, Record, run};

/// What many simulations came to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Sum {
    /// How many.
    pub seeds: u64,
    /// How long all virtual routers ran, in seconds of virtual time.
    pub router_seconds: u64,
    /// How much happened.
    pub events: u64,
    /// How often a router became Master.
    pub takeovers: u64,
    /// How often a VRID was found in order after something had changed.
    pub settled: u64,
    /// How often it had a planned change while it was in order.
    pub planned: u64,
    /// Which seeds broke an invariant, and which.
    pub failures: Vec<(u64, Violation)>,
}

impl Sum {
    fn add(&mut self, seed: u64, one: &Outcome) {
        self.seeds += 1;
        self.router_seconds += one.router_seconds;
        self.events += one.events;
        self.takeovers += one.takeovers;
        self.settled += one.settled;
        self.planned += one.planned;
        self.failures
            .extend(one.violation.map(|violation| (seed, violation)));
    }
}

/// Simulates `seeds` on `threads` threads, which take them in turn. `seen` is called after each and may end it.
pub fn sweep<S: Subject>(
    seeds: Range<u64>,
    limits: Limits,
    checks: Checks,
    threads: usize,
    seen: impl Fn(&Sum) -> ControlFlow<()> + Sync,
) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let over = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let work = || {
        while !over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let scenario = Scenario::from_seed(seed, limits);
            let outcome = run::<S>(&scenario, checks, Record::Nothing);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.add(seed, &outcome);
            if seen(&sum).is_break() {
                over.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

//! The sweep: ten thousand seeds, none of which may break an invariant.

use std::ops::ControlFlow;
use std::thread::available_parallelism;

use locum_vrrp_election::Election;
use testkit::sim::{Checks, Limits, Record, Scenario, run, sweep};

const SEEDS: u64 = 10_000;

#[test]
fn ten_thousand_seeds_break_no_invariant() {
    let threads = available_parallelism().map_or(1, usize::from);
    let limits = Limits::default();
    let sum = sweep::<Election>(0..SEEDS, limits, Checks::all(), threads, |sum| {
        if sum.failures.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    if let Some((seed, violation)) = sum.failures.first() {
        panic!("seed {seed}: {violation}\nto see how: cargo xtask sim --seed {seed}");
    }
    assert_eq!(sum.seeds, SEEDS);
    // It has to have happened to prove anything.
    let years = sum.router_seconds / (365 * 24 * 60 * 60);
    assert!(
        sum.takeovers > 5 * SEEDS && sum.settled > 3 * SEEDS && sum.planned > SEEDS,
        "{years} router-years, {sum:?}"
    );
}

#[test]
fn a_seed_is_the_same_each_time() {
    for seed in 0..20 {
        let scenario = Scenario::from_seed(seed, Limits::default());
        let run = || run::<Election>(&scenario, Checks::all(), Record::Transcript);
        let (one, other) = (run(), run());
        assert_eq!(one.transcript, other.transcript, "seed {seed}");
        assert_eq!(one.events, other.events, "seed {seed}");
    }
}

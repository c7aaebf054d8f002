//! Probes per second: what the schedule and the trackers cost, what the runner adds, and real probes over loopback.

mod decide;
mod probe;
mod run;
mod server;

use criterion::{criterion_group, criterion_main};

/// How many servers a large site has.
const TARGETS: [u32; 3] = [100, 10_000, 40_000];

criterion_group!(benches, decide::bench, run::bench, probe::bench);
criterion_main!(benches);

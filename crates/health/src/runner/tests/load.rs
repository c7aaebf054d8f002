//! Many probes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fake::{MS, SECOND, World, pass, server};
use crate::runner::clock;
use crate::schedule::Timing;

const COUNT: u32 = 40_000;

#[tokio::test(start_paused = true)]
async fn forty_thousand_are_spread_evenly() {
    let world = World::new();
    let timing = Timing::new(10 * SECOND, SECOND).unwrap();
    let start = clock::now();
    let all = (0..COUNT).map(|number| world.subscription(number.into(), server(number), timing));
    world.runner.set(all.collect()).unwrap();
    pass(25 * SECOND).await;

    let begun = world.net.take_begun();
    let mut slots: BTreeMap<Duration, u32> = BTreeMap::new();
    for (time, _) in &begun {
        let since = time.duration_since(start);
        let slot = u64::try_from(since.as_millis() / 100).unwrap();
        *slots.entry(Duration::from_millis(slot * 100)).or_default() += 1;
    }
    // 400 are the mean of 100 ms; the first round takes 8 s, and overlaps the second.
    for (slot, count) in &slots {
        assert!(*count < 1200, "{count} at {slot:?}");
        assert!(*slot < 15 * SECOND || *count > 300, "{count} at {slot:?}");
        assert!(*slot < 15 * SECOND || *count < 500, "{count} at {slot:?}");
    }
    assert_eq!(world.net.most_to_one(), 1);
    let first_round = begun
        .iter()
        .filter(|(time, _)| *time < start + 8 * SECOND + 10 * MS);
    let mut servers: Vec<_> = first_round.map(|(_, server)| *server).collect();
    servers.sort_unstable();
    servers.dedup();
    assert_eq!(servers.len(), COUNT as usize, "all were probed in 8 s");
}

#[tokio::test(start_paused = true)]
async fn a_few_are_known_at_once() {
    let mut world = World::new();
    let timing = Timing::new(60 * SECOND, SECOND).unwrap();
    let all = (0..100).map(|number| world.subscription(number.into(), server(number), timing));
    world.runner.set(all.collect()).unwrap();
    pass(110 * MS).await;
    assert_eq!(world.reported().len(), 100);
}

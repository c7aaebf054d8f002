//! Changing what is probed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::fake::{Act, MS, SECOND, World, number, pass, server, timing};
use crate::runner::{Subscriber, Subscription};
use crate::schedule::Timing;
use crate::tracker::Health::{Down, Up};

fn some(world: &World, count: u32, timing: Timing) -> Vec<Subscription> {
    (0..count)
        .map(|number| world.subscription(number.into(), server(number), timing))
        .collect()
}

/// When each server was probed last.
fn last(world: &World) -> BTreeMap<SocketAddr, Instant> {
    let begun = world.net.take_begun().into_iter();
    begun.map(|(time, server)| (server, time)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_stays_the_same_notices_nothing() {
    let mut world = World::new();
    for number in 0..50 {
        world.net.act(server(number), Act::Slow(900 * MS));
    }
    world.runner.set(some(&world, 50, timing())).unwrap();
    pass(30 * SECOND).await;
    world.reported();
    let before = last(&world);
    let under_way = world.net.under_way();
    assert!(under_way > 0);

    // Again and again, with one more and one less each time.
    for round in 0..10 {
        let mut subscriptions = some(&world, 50, timing());
        subscriptions.push(world.subscription(1000 + round, server(999), timing()));
        world.runner.set(subscriptions).unwrap();
        pass(MS).await;
        assert!(world.net.under_way() >= under_way, "went on");
    }
    pass(10 * SECOND).await;
    let mut after = last(&world);
    after.remove(&server(999)).unwrap();
    assert_eq!(after.len(), 50);
    for (server, time) in after {
        let gap = time.duration_since(before[&server]);
        assert_eq!(gap, 10 * SECOND, "{server}");
    }
    let others = world.reported();
    assert!(others.iter().all(|(who, _)| *who >= 1000), "{others:?}");
    assert_eq!(world.net.most_to_one(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_probe_is_told_what_is_known() {
    let mut world = World::new();
    world.net.act(server(1), Act::Fail);
    let first = world.subscription(1, server(1), timing());
    world.runner.set(vec![first.clone()]).unwrap();
    world.report().await;
    world.net.take_begun();

    // What it believes does not count: the server is known.
    let second = world.subscription(2, server(1), timing()).initial(Up);
    world.runner.set(vec![first, second.clone()]).unwrap();
    let report = world.report().await;
    assert_eq!((report.subscriber, report.health), (Subscriber(2), Down));
    assert!(report.error.is_some());
    assert_eq!(world.net.take_begun(), [], "without a probe");

    // The probe outlives who had it first.
    world.runner.set(vec![second]).unwrap();
    pass(100 * SECOND).await;
    assert!((9..=10).contains(&world.net.take_begun().len()));
    assert_eq!(world.reported(), []);
}

#[tokio::test(start_paused = true)]
async fn beliefs_are_each_ones_own() {
    let mut world = World::new();
    world.net.act(server(1), Act::Fail);
    let inherited = world
        .subscription(1, server(1), timing().fall(number(2)))
        .initial(Up);
    let new = world.subscription(2, server(1), timing().fall(number(2)));
    world.runner.set(vec![inherited, new]).unwrap();
    pass(200 * MS).await;
    assert_eq!(
        world.reported(),
        [(1, Up), (2, Down)],
        "one failure convinces only who knew nothing"
    );
    pass(20 * SECOND).await;
    assert_eq!(world.reported(), [(1, Down)]);
}

#[tokio::test(start_paused = true)]
async fn a_new_timing_keeps_the_state_and_does_not_burst() {
    let mut world = World::new();
    world.runner.set(some(&world, 1000, timing())).unwrap();
    pass(30 * SECOND).await;
    world.reported();
    world.net.take_begun();

    let faster = Timing::new(2 * SECOND, SECOND).unwrap();
    world.runner.set(some(&world, 1000, faster)).unwrap();
    pass(20 * SECOND).await;
    assert_eq!(world.reported(), [], "known as before");
    let begun = world.net.take_begun();
    assert!((9_500..=10_500).contains(&begun.len()), "{}", begun.len());
    let mut slots: BTreeMap<u128, u32> = BTreeMap::new();
    for (time, _) in &begun {
        let since = time.duration_since(begun[0].0);
        *slots.entry(since.as_millis() / 100).or_default() += 1;
    }
    assert!(slots.values().all(|count| *count < 100), "{slots:?}");
    assert_eq!(
        world.runner.totals().await.unwrap().probes,
        1000,
        "changed in place"
    );
}

#[tokio::test(start_paused = true)]
async fn a_timing_of_ones_own_takes_the_state_along() {
    let mut world = World::new();
    world.net.act(server(1), Act::Weight(5));
    let first = world.subscription(1, server(1), timing());
    let second = world.subscription(2, server(1), timing());
    world.runner.set(vec![first.clone(), second]).unwrap();
    pass(SECOND).await;
    assert_eq!(world.reported(), [(1, Up), (2, Up)]);

    let faster = Timing::new(2 * SECOND, SECOND).unwrap();
    let second = world.subscription(2, server(1), faster);
    world.runner.set(vec![first, second]).unwrap();
    pass(20 * SECOND).await;
    assert_eq!(world.reported(), []);
    assert_eq!(world.runner.totals().await.unwrap().probes, 2);
    let status = world.runner.status().await.unwrap();
    assert!(status[1].counts.begun > status[0].counts.begun);
}

#[tokio::test(start_paused = true)]
async fn another_target_begins_anew() {
    let mut world = World::new();
    world.net.act(server(2), Act::Fail);
    world
        .runner
        .set(vec![world.subscription(1, server(1), timing())])
        .unwrap();
    pass(SECOND).await;
    assert_eq!(world.reported(), [(1, Up)]);
    world
        .runner
        .set(vec![world.subscription(1, server(2), timing())])
        .unwrap();
    pass(SECOND).await;
    assert_eq!(world.reported(), [(1, Down)], "the first result decides");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_stops_at_once() {
    let mut world = World::new();
    for number in 0..10 {
        world.net.act(server(number), Act::Hang);
    }
    world.runner.set(some(&world, 10, timing())).unwrap();
    pass(500 * MS).await;
    assert_eq!(world.net.under_way(), 10);
    world.runner.set(some(&world, 4, timing())).unwrap();
    pass(MS).await;
    assert_eq!(world.net.under_way(), 4, "dropped");
    world.net.take_begun();
    pass(30 * SECOND).await;
    assert_eq!(last(&world).len(), 4);
    let reported = world.reported();
    assert!(reported.iter().all(|(who, _)| *who < 4), "{reported:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_subscription_of_a_subscriber_counts() {
    let world = World::new();
    let twice = vec![
        world.subscription(1, server(1), timing()),
        world.subscription(1, server(2), timing()),
    ];
    world.runner.set(twice).unwrap();
    pass(30 * SECOND).await;
    let probed = last(&world);
    assert_eq!(probed.keys().collect::<Vec<_>>(), [&server(2)]);
}

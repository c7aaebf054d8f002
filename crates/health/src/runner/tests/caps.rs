//! How many are under way at once.

use std::num::NonZeroUsize;

use super::fake::{Act, MS, SECOND, World, pass, server, timing};
use crate::runner::{Class, RunnerLimits, Subscription};
use crate::tracker::Health::{Down, Up};

fn limits(in_flight: usize, per_target: usize, expensive: usize) -> RunnerLimits {
    let number = |number| NonZeroUsize::new(number).unwrap();
    RunnerLimits {
        in_flight: number(in_flight),
        per_target: number(per_target),
        expensive: number(expensive),
    }
}

/// Probes of so many servers, each on an address of its own.
fn servers(world: &World, count: u32) -> Vec<Subscription> {
    (0..count)
        .map(|number| world.subscription(number.into(), server(number), timing()))
        .collect()
}

/// Probes of so many ports of one server.
fn ports(world: &World, count: u16) -> Vec<Subscription> {
    (0..count)
        .map(|number| {
            let mut target = server(9999);
            target.set_port(1000 + number);
            world.subscription(100_000 + u64::from(number), target, timing())
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn in_all() {
    let mut world = World::with_limits(limits(20, 8, 32));
    for number in 0..200 {
        world.net.act(server(number), Act::Slow(900 * MS));
    }
    world.runner.set(servers(&world, 200)).unwrap();
    pass(500 * MS).await;
    let totals = world.runner.totals().await.unwrap();
    assert_eq!((totals.in_flight, totals.queued), (20, 180));
    pass(9 * SECOND).await;
    assert_eq!(world.net.most(), 20);
    // To wait for one's turn is no failure.
    let reported = world.reported();
    assert_eq!(reported.len(), 200);
    assert!(reported.iter().all(|(_, health)| *health == Up));
}

#[tokio::test(start_paused = true)]
async fn to_one_address_and_nobody_else_waits() {
    let mut world = World::with_limits(limits(20, 3, 32));
    let mut subscriptions = ports(&world, 50);
    for subscription in &subscriptions {
        world.net.act(subscription.probe.target, Act::Hang);
    }
    subscriptions.extend(servers(&world, 10));
    world.runner.set(subscriptions).unwrap();
    pass(500 * MS).await;
    assert_eq!(world.net.under_way(), 3);
    let mut reported = world.reported();
    reported.sort_unstable();
    let all_up: Vec<_> = (0..10).map(|number| (number, Up)).collect();
    assert_eq!(reported, all_up, "a crowd at a dead server holds up nobody");

    // A server that is dead on all its ports is found out, though its probes wait for each other.
    pass(20 * SECOND).await;
    let reported = world.reported();
    assert_eq!(reported.len(), 50);
    assert!(reported.iter().all(|(_, health)| *health == Down));
}

#[tokio::test(start_paused = true)]
async fn of_the_expensive_ones() {
    let mut world = World::with_limits(limits(20, 8, 4));
    let mut subscriptions = servers(&world, 60);
    for (number, subscription) in (0..).zip(&mut subscriptions) {
        world.net.act(server(number), Act::Slow(900 * MS));
        if number < 40 {
            subscription.probe.class = Class::Expensive;
        }
    }
    world.runner.set(subscriptions).unwrap();
    pass(500 * MS).await;
    assert_eq!(world.net.under_way(), 20, "16 plain ones pass them");
    pass(SECOND).await;
    assert_eq!(world.net.under_way(), 8, "4 plain ones were left");
    pass(20 * SECOND).await;
    assert!(world.reported().iter().all(|(_, health)| *health == Up));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_while_it_waits_leaves_no_trace() {
    let world = World::with_limits(limits(2, 1, 1));
    for number in 0..20 {
        world.net.act(server(number), Act::Hang);
    }
    world.runner.set(servers(&world, 20)).unwrap();
    pass(500 * MS).await;
    world.runner.set(Vec::new()).unwrap();
    pass(100 * MS).await;
    let totals = world.runner.totals().await.unwrap();
    assert_eq!((totals.in_flight, totals.queued), (0, 0));
    assert_eq!(world.net.under_way(), 0);

    world.runner.set(servers(&world, 20)).unwrap();
    pass(500 * MS).await;
    assert_eq!(world.net.under_way(), 2, "all places are free again");
}

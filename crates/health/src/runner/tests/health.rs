//! From results to reports, at the right intervals.

use super::fake::{Act, MS, SECOND, World, number, pass, server, timing};
use crate::check::CheckError;
use crate::runner::Subscriber;
use crate::tracker::Health::{self, Down, Up};

#[tokio::test(start_paused = true)]
async fn the_first_result_is_reported_at_once_and_then_only_changes() {
    let mut world = World::new();
    world.net.act(server(2), Act::Fail);
    let subscriptions = vec![
        world.subscription(1, server(1), timing()),
        world.subscription(2, server(2), timing()),
    ];
    world.runner.set(subscriptions).unwrap();
    pass(200 * MS).await;
    let mut reported = world.reported();
    reported.sort_unstable();
    assert_eq!(reported, [(1, Up), (2, Down)]);
    pass(100 * SECOND).await;
    assert_eq!(world.reported(), []);
}

#[tokio::test(start_paused = true)]
async fn it_rises_and_falls_at_the_fast_interval_and_rests_at_the_others() {
    let mut world = World::new();
    let timing = timing()
        .fast_interval(SECOND)
        .unwrap()
        .down_interval(30 * SECOND)
        .unwrap()
        .rise(number(2))
        .fall(number(3));
    let server = server(1);
    world
        .runner
        .set(vec![world.subscription(1, server, timing)])
        .unwrap();
    assert_eq!(world.report().await.health, Up);
    pass(35 * SECOND).await;
    let gaps = gaps(&world);
    assert!(
        gaps[1..].iter().all(|gap| *gap == 10_000),
        "at rest: {gaps:?}"
    );

    world.net.act(server, Act::Fail);
    let report = world.report().await;
    assert_eq!(report.health, Down);
    assert!(matches!(report.error.as_deref(), Some(CheckError::Refused)));
    pass(100 * SECOND).await;
    let falling = self::gaps(&world);
    assert_eq!(falling[..2], [1000, 1000], "falling");
    assert!(
        falling[3..].iter().all(|gap| *gap == 30_000),
        "down: {falling:?}"
    );

    world.net.act(server, Act::Pass);
    assert_eq!(world.report().await.health, Up);
    pass(SECOND).await;
    assert_eq!(self::gaps(&world), [1000], "rising");
}

/// The times between probes, in milliseconds, to the nearest 10.
fn gaps(world: &World) -> Vec<u128> {
    let begun = world.net.take_begun();
    let pairs = begun.windows(2);
    pairs
        .map(|pair| {
            let gap = pair[1].0.duration_since(pair[0].0);
            (gap + 5 * MS).as_millis() / 10 * 10
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_known_before_a_restart_takes_a_row_to_change() {
    let mut world = World::new();
    world.net.act(server(1), Act::Fail);
    let subscription = world.subscription(1, server(1), timing()).initial(Up);
    world.runner.set(vec![subscription]).unwrap();
    let first = world.report().await;
    assert_eq!(first.health, Up, "one failure is not enough");
    let second = world.report().await;
    assert_eq!(second.health, Down);
    assert_eq!(world.net.take_begun().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_new_weight_is_reported() {
    let mut world = World::new();
    world.net.once(
        server(1),
        &[Act::Pass, Act::Weight(50), Act::Weight(50), Act::Weight(7)],
    );
    world
        .runner
        .set(vec![world.subscription(1, server(1), timing())])
        .unwrap();
    pass(100 * SECOND).await;
    let mut weights = Vec::new();
    while let Ok(report) = world.reports.try_recv() {
        assert_eq!(report.health, Up);
        weights.push(report.weight);
    }
    assert_eq!(weights, [None, Some(50), Some(7), None]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_failure_after_the_timeout() {
    let mut world = World::new();
    world.net.act(server(1), Act::Hang);
    world
        .runner
        .set(vec![world.subscription(1, server(1), timing())])
        .unwrap();
    let report = world.report().await;
    assert_eq!(report.health, Down);
    assert!(matches!(report.error.as_deref(), Some(CheckError::Timeout)));
    assert_eq!(world.net.under_way(), 0, "the probe was dropped");

    let status = world.status().await;
    assert_eq!(status.health, Down);
    assert_eq!(status.duration.unwrap().as_millis() / 10, 100);
    assert_eq!((status.counts.failed, status.counts.timed_out), (1, 1));
    assert_eq!(status.counts.lagged, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_our_own_never_marks_down() {
    for fault in [Act::Local, Act::Panic] {
        let mut world = World::new();
        world.net.act(server(1), fault);
        let subscription = world.subscription(1, server(1), timing()).initial(Up);
        world.runner.set(vec![subscription]).unwrap();
        pass(600 * SECOND).await;
        assert_eq!(world.reported(), [], "{fault:?}");
        let status = world.status().await;
        assert_eq!(status.health, Up);
        assert_eq!(status.counts.failed, 0);
        assert_eq!(status.counts.local_errors, status.counts.begun);
        assert!(status.error.as_deref().is_some_and(CheckError::is_local));
        assert!(
            (60..70).contains(&status.counts.begun),
            "soon at first, then at the interval: {}",
            status.counts.begun
        );

        world.net.act(server(1), Act::Pass);
        assert_eq!(world.report().await.health, Up);
        assert!(world.status().await.error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn status_and_totals_tell_what_happened() {
    let mut world = World::new();
    world.net.once(server(1), &[Act::Slow(30 * MS), Act::Fail]);
    let both = vec![
        world.subscription(2, server(1), timing()),
        world.subscription(1, server(1), timing()),
    ];
    world.runner.set(both).unwrap();
    pass(30 * SECOND).await;

    let status = world.runner.status().await.unwrap();
    let subscribers: Vec<Subscriber> = status.iter().map(|one| one.subscriber).collect();
    assert_eq!(subscribers, [Subscriber(1), Subscriber(2)]);
    for one in &status {
        assert_eq!((one.counts.begun, one.counts.passed), (3, 2));
        assert_eq!(one.counts.failed, 1);
        assert_eq!(one.health, Up);
    }
    let totals = world.runner.totals().await.unwrap();
    assert_eq!(totals.counts, status[0].counts, "run once for both");
    assert_eq!((totals.subscribers, totals.probes), (2, 1));
    assert_eq!((totals.in_flight, totals.queued), (0, 0));
    assert_eq!(totals.lag, std::time::Duration::ZERO);
    assert_eq!(world.reported().len(), 2, "reported to both");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_can_be_checked_now() {
    let mut world = World::new();
    world
        .runner
        .set(vec![world.subscription(1, server(1), timing())])
        .unwrap();
    world.report().await;
    pass(MS).await;
    world.net.take_begun();
    world.runner.check_now(Subscriber(1)).unwrap();
    world.runner.check_now(Subscriber(404)).unwrap();
    pass(10 * MS).await;
    assert_eq!(world.net.take_begun().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_handle_or_its_reports() {
    let mut world = World::new();
    world.net.act(server(1), Act::Hang);
    world
        .runner
        .set(vec![world.subscription(1, server(1), timing())])
        .unwrap();
    pass(500 * MS).await;
    assert_eq!(world.net.under_way(), 1);
    drop(world.runner);
    assert!(world.reports.recv().await.is_none());
    assert_eq!(world.net.under_way(), 0, "what was under way ended with it");

    let world = World::new();
    drop(world.reports);
    pass(MS).await;
    let _noticed_when_it_turns = world.runner.set(Vec::new());
    pass(MS).await;
    assert!(world.runner.totals().await.is_err());
}

#[test]
fn health_is_unknown_by_default() {
    assert_eq!(Health::default(), Health::Unknown);
}

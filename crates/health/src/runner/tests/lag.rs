//! Overload is not failure.

use super::fake::{Act, MS, SECOND, World, number, pass, server, timing};
use crate::tracker::Health::{Down, Up};

#[tokio::test(start_paused = true)]
async fn a_timeout_while_the_loop_stood_still_is_not_run_and_tried_again_soon() {
    let mut world = World::new();
    for number in 0..100 {
        world.net.once(server(number), &[Act::Pass, Act::Hang]);
    }
    let timing = timing().fall(number(1));
    let all = (0..100).map(|number| world.subscription(number.into(), server(number), timing));
    world.runner.set(all.collect()).unwrap();
    // All have passed, and the second probe of some is under way.
    pass(8 * SECOND).await;
    world.reported();
    let waiting = world.net.under_way();
    assert!(waiting > 0);

    tokio::time::advance(3 * SECOND).await;
    pass(50 * MS).await;
    let totals = world.runner.totals().await.unwrap();
    assert!(totals.counts.lagged >= waiting as u64, "{totals:?}");
    assert!(totals.worst_lag > 2 * SECOND, "{totals:?}");
    let timed_out = totals.counts.timed_out;

    // The next try of each passes.
    let lagged = totals.counts.lagged;
    pass(SECOND).await;
    let totals = world.runner.totals().await.unwrap();
    assert!(totals.counts.passed >= 100 + lagged, "{totals:?}");
    assert_eq!(totals.counts.lagged, lagged);
    let down = world.reported();
    assert_eq!(down.len() as u64, timed_out, "those before the leap");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_is_always_blocked_for_a_while_never_marks_a_live_server_down() {
    let mut world = World::new();
    world.net.act(server(1), Act::Block(SECOND / 2));
    let subscription = world
        .subscription(1, server(1), timing().fall(number(1)))
        .initial(Up);
    world.runner.set(vec![subscription]).unwrap();
    pass(900 * MS).await;
    world.net.act(server(1), Act::Pass);
    pass(60 * SECOND).await;
    assert_eq!(world.reported(), [(1, Up)]);
    let status = world.status().await;
    assert_eq!((status.counts.lagged, status.counts.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_found_out_on_a_machine_that_is_always_late() {
    let mut world = World::new();
    world.net.act(server(1), Act::Hang);
    let subscription = world.subscription(1, server(1), timing()).initial(Up);
    world.runner.set(vec![subscription]).unwrap();
    // Half of all time is lost, in pieces of 100 ms.
    for _ in 0..1000 {
        tokio::time::advance(100 * MS).await;
        pass(100 * MS).await;
    }
    let reported = world.reported();
    assert_eq!(reported.last(), Some(&(1, Down)), "{reported:?}");
    assert!(world.status().await.counts.lagged > 0);
}

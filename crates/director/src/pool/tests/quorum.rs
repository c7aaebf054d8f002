//! Quorum and sorry server.

use locum_health::Health;

use super::super::QuorumState;
use super::support::*;
use crate::site::{Initial, OnFailure, Quorum, VirtualService};

fn with_quorum(servers: u8, quorum: Quorum) -> VirtualService {
    VirtualService {
        quorum,
        ..web((1..=servers).map(server))
    }
}

#[test]
fn lost_below_and_gained_from_on() {
    // Quorum, then how many of five servers are up, step by step, and what is told.
    type Steps = &'static [(u8, &'static [&'static str])];
    let table: [(Quorum, Steps); 4] = [
        (
            quorum(1, 0),
            &[
                (5, &["web gained at 5, first"]),
                (1, &[]),
                (0, &["web lost at 0"]),
                (1, &["web gained at 1"]),
            ],
        ),
        (
            quorum(3, 1),
            &[
                (2, &["web lost at 2, first"]),
                (3, &[]),
                (4, &["web gained at 4"]),
                (2, &[]),
                (1, &["web lost at 1"]),
                (3, &[]),
                (4, &["web gained at 4"]),
            ],
        ),
        // Without a history the plain weight decides.
        (
            quorum(3, 1),
            &[
                (3, &["web gained at 3, first"]),
                (2, &[]),
                (1, &["web lost at 1"]),
            ],
        ),
        // The hysteresis is as wide as the quorum: but nothing is not enough.
        (
            quorum(2, 2),
            &[
                (4, &["web gained at 4, first"]),
                (1, &[]),
                (0, &["web lost at 0"]),
            ],
        ),
    ];
    for (quorum, steps) in table {
        let mut scene = Scene::new(&site([with_quorum(5, quorum)]));
        for (step, (up, expected)) in steps.iter().enumerate() {
            scene.up(1..=*up);
            scene.down(up + 1..=5);
            let mut events = scene.events();
            events.retain(|event| !event.contains('/'));
            // On the way from one step to the next the weight goes one by one.
            let told: Vec<_> = events.iter().map(|e| e.split(" at ").next()).collect();
            let want: Vec<_> = expected.iter().map(|e| e.split(" at ").next()).collect();
            assert_eq!(told, want, "{quorum:?}, step {step}");
            let first = |e: &str| e.ends_with(", first");
            assert_eq!(
                events.iter().any(|e| first(e)),
                expected.iter().any(|e| first(e))
            );
        }
    }
}

#[test]
fn it_counts_weight_not_servers() {
    let service = VirtualService {
        quorum: quorum(10, 0),
        ..web([weighing(1, 9), weighing(2, 1), weighing(3, 0)])
    };
    let mut scene = Scene::new(&site([service]));
    scene.up([1, 3]);
    scene.down([2]);
    assert_eq!(scene.events().last().unwrap(), "web lost at 9, first");
    scene.up([2]);
    assert_eq!(scene.events(), ["web/s2 up", "web gained at 10"]);
    let slot = scene.slots(1)[0];
    scene.report(slot, Health::Up, Some(8));
    assert_eq!(scene.events(), ["web/s1 9->8", "web lost at 9"]);
}

#[test]
fn nothing_is_told_before_the_first_round_is_over() {
    let mut scene = Scene::new(&site([with_quorum(3, quorum(2, 0))]));
    scene.up([1, 2]);
    assert_eq!(scene.events(), ["web/s1 up, first", "web/s2 up, first"]);
    assert!(!scene.pools.first_round_done());
    scene.down([1]);
    assert_eq!(scene.events(), ["web/s1 down"]);
    scene.up([3]);
    assert!(scene.pools.first_round_done());
    assert_eq!(
        scene.events(),
        ["web/s3 up, first", "web gained at 2, first"]
    );
}

#[test]
fn a_check_that_never_reports_ends_the_first_round_at_its_bound() {
    let service = VirtualService {
        sorry: Some(sorry()),
        ..with_quorum(2, quorum(2, 0))
    };
    let mut scene = Scene::new(&site([service]));
    scene.up([1]);
    scene.events();
    scene.pass(9 * SECOND);
    assert_eq!(scene.events(), [""; 0]);
    assert_eq!(scene.table(), "1=1");
    scene.pass(SECOND);
    assert_eq!(scene.events(), ["web lost at 1, first"]);
    assert_eq!(scene.table(), "1=0 250=1");
    assert!(!scene.pools.first_round_done(), "that is another question");
}

#[test]
fn a_service_without_checks_or_servers_is_told_at_once() {
    let mut unchecked = server(1);
    unchecked.checks = Box::default();
    let mut scene = Scene::new(&site([
        service("full", 1, [unchecked]),
        service("none", 2, []),
    ]));
    assert!(scene.pools.first_round_done());
    assert_eq!(
        scene.events(),
        ["full gained at 1, first", "none lost at 0, first"]
    );
}

#[test]
fn the_sorry_server_serves_alone_while_the_quorum_is_lost() {
    for (on_failure, lost) in [
        (OnFailure::Remove, "1=0 250=1"),
        (OnFailure::Quiesce, "1=0 2=0 3=0 250=1"),
    ] {
        let service = VirtualService {
            sorry: Some(sorry()),
            on_failure,
            ..with_quorum(3, quorum(2, 0))
        };
        let mut scene = Scene::new(&site([service]));
        scene.up(1..=3);
        assert_eq!(scene.table(), "1=1 2=1 3=1");
        scene.down([3, 2]);
        assert_eq!(scene.table(), lost);
        let report = &scene.pools.report(scene.now)[0];
        assert_eq!(report.state, QuorumState::Lost);
        assert!(report.sorry.unwrap().serves);
        scene.up([2, 3]);
        assert_eq!(scene.table(), "1=1 2=1 3=1");
    }
}

#[test]
fn without_a_sorry_server_the_rest_serves() {
    let mut scene = Scene::new(&site([with_quorum(3, quorum(2, 0))]));
    scene.up(1..=3);
    scene.down([3, 2]);
    assert_eq!(scene.events().last().unwrap(), "web lost at 1");
    assert_eq!(scene.table(), "1=1");
}

#[test]
fn a_sorry_server_that_is_a_server_too_is_there_once() {
    let service = VirtualService {
        sorry: Some(sorry()),
        ..web([weighing(SORRY, 7)])
    };
    let mut scene = Scene::new(&site([service]));
    scene.up([SORRY]);
    assert_eq!(scene.table(), "250=7");
    scene.down([SORRY]);
    assert_eq!(scene.table(), "250=1");
}

#[test]
fn servers_that_are_presumed_up_hold_the_quorum_at_once() {
    let service = VirtualService {
        sorry: Some(sorry()),
        initial: Initial::Up,
        ..with_quorum(2, quorum(2, 0))
    };
    let mut scene = Scene::new(&site([service]));
    assert_eq!(scene.table(), "1=1 2=1");
    assert_eq!(scene.events(), [""; 0], "nothing was found out yet");
    scene.up([1, 2]);
    assert_eq!(scene.events(), ["web gained at 2, first"]);
}

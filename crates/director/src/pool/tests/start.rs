//! What is believed at first.

use locum_health::Health;

use super::super::ServerState;
use super::support::*;
use crate::site::{Initial, OnFailure, VirtualService};

#[test]
fn initial_decides_until_there_is_a_result() {
    use Health::{Down, Unknown, Up};
    // What is left of an earlier run: nothing, or s1 with a weight.
    type Row = (
        Initial,
        &'static [(u8, u16)],
        Health,
        ServerState,
        &'static str,
    );
    let table: [Row; 8] = [
        (Initial::Checking, &[], Unknown, ServerState::Checking, ""),
        (Initial::Checking, &[(1, 5)], Up, ServerState::Up, "1=1"),
        (
            Initial::Checking,
            &[(1, 0)],
            Unknown,
            ServerState::Checking,
            "1=0",
        ),
        (
            Initial::Checking,
            &[(2, 5)],
            Unknown,
            ServerState::Checking,
            "",
        ),
        (Initial::Down, &[], Down, ServerState::Down, ""),
        (Initial::Down, &[(1, 5)], Down, ServerState::Down, ""),
        (Initial::Up, &[], Up, ServerState::Up, "1=1"),
        (Initial::Up, &[(1, 0)], Up, ServerState::Up, "1=1"),
    ];
    for (initial, left, health, state, entries) in table {
        let service = VirtualService {
            initial,
            ..web([server(1)])
        };
        let scene = Scene::after(&site([service]), left);
        let beliefs: Vec<Health> = scene.pools.checks().map(|(_, _, health)| health).collect();
        assert_eq!(beliefs, [health], "{initial:?} after {left:?}");
        assert_eq!(scene.state(1), state, "{initial:?} after {left:?}");
        assert_eq!(scene.table(), entries, "{initial:?} after {left:?}");
        assert!(!scene.pools.first_round_done());
    }
}

#[test]
fn a_configured_weight_of_0_is_inherited_as_up() {
    let scene = Scene::after(&site([web([weighing(1, 0)])]), &[(1, 0)]);
    assert_eq!(scene.state(1), ServerState::Up);
}

#[test]
fn a_restart_takes_nothing_out_that_works() {
    let site = site([web([server(1), server(2), server(3)])]);
    let mut scene = Scene::after(&site, &[(1, 1), (2, 1)]);
    assert_eq!(scene.table(), "1=1 2=1");
    scene.up([1]);
    assert_eq!(scene.events(), [""; 0], "as it was believed");
    scene.down([2]);
    assert_eq!(scene.events(), ["web/s2 down"], "it had been up");
    scene.up([3]);
    assert_eq!(
        scene.events(),
        ["web/s3 up, first", "web gained at 2, first"]
    );
    assert_eq!(scene.table(), "1=1 3=1");
}

#[test]
fn a_sorry_server_that_served_goes_on_until_more_is_known() {
    let service = VirtualService {
        sorry: Some(sorry()),
        on_failure: OnFailure::Quiesce,
        ..web([server(1)])
    };
    let mut scene = Scene::after(&site([service]), &[(1, 0), (SORRY, 1)]);
    assert_eq!(scene.table(), "1=0 250=1");
    scene.up([1]);
    assert_eq!(scene.table(), "1=1");
}

#[test]
fn a_quiesced_server_that_turns_out_down_goes_if_it_should() {
    for (on_failure, entries) in [(OnFailure::Remove, ""), (OnFailure::Quiesce, "1=0")] {
        let service = VirtualService {
            on_failure,
            ..web([server(1)])
        };
        let mut scene = Scene::after(&site([service]), &[(1, 0)]);
        assert_eq!(scene.table(), "1=0");
        scene.down([1]);
        assert_eq!(scene.table(), entries);
    }
}

#[test]
fn what_an_earlier_run_had_and_this_one_has_not_drains() {
    let service = VirtualService {
        drain_timeout: 60 * SECOND,
        ..web([server(1)])
    };
    let mut scene = Scene::after(&site([service]), &[(1, 1), (2, 1), (3, 1)]);
    scene.connect(1, 2, 4, 0);
    scene.connect(1, 3, 4, 0);
    scene.sync();
    scene.sync();
    assert_eq!(scene.kernel(), ["1=1 2=0 3=0"]);
    scene.connect(1, 2, 0, 0);
    scene.read();
    scene.sync();
    assert_eq!(scene.kernel(), ["1=1 3=0"]);
    scene.pass(60 * SECOND);
    scene.sync();
    assert_eq!(scene.kernel(), ["1=1"]);
}

#[test]
fn without_a_time_to_drain_it_goes_at_once() {
    let mut scene = Scene::after(&site([web([server(1)])]), &[(1, 1), (2, 1)]);
    scene.sync();
    assert_eq!(scene.kernel(), ["1=1"]);
}

/// Tens of thousands of them: what is added here is touched by every start.
#[test]
fn servers_are_small() {
    use super::super::server::{Probe, Server};
    use crate::site::{Check, RealServer};
    assert!(size_of::<RealServer>() <= 80);
    assert!(size_of::<Check>() <= 48);
    assert!(size_of::<Server>() <= 40);
    assert!(size_of::<Probe>() <= 32);
}

//! Servers that the operator wants otherwise than the configuration says.

use locum_health::Health;

use super::super::ServerState;
use super::support::*;
use crate::overrides::ServerWish::{self, Drain, Maintenance, Ready, Weight};
use crate::site::{Site, VirtualService};

fn with(servers: impl IntoIterator<Item = crate::site::RealServer>) -> Site {
    site([VirtualService {
        drain_timeout: 60 * SECOND,
        ..web(servers)
    }])
}

/// Two servers, in the kernel, `s1` with a connection.
fn busy() -> Scene {
    let mut scene = Scene::new(&with([server(1), server(2)]));
    scene.up([1, 2]);
    scene.sync();
    scene.connect(1, 1, 1, 9);
    scene.read();
    scene.events();
    scene
}

const NONE: [(u8, ServerWish); 0] = [];

#[test]
fn a_server_drains_until_that_is_taken_back() {
    let mut scene = busy();
    scene.wish([(1, Drain)]);
    assert_eq!(scene.state(1), ServerState::Draining);
    assert_eq!(scene.table(), "1=0 2=1");
    scene.sync();
    scene.connect(1, 1, 0, 9);
    scene.read();
    assert_eq!(scene.events(), ["web/s1 drained: empty"]);
    assert_eq!(scene.state(1), ServerState::Drained);
    assert_eq!(scene.table(), "2=1");
    scene.wish([(1, Drain)]);
    assert_eq!(scene.table(), "2=1", "once is enough");
    scene.wish(NONE);
    assert_eq!(scene.table(), "1=1 2=1", "its checks went on");
    assert_eq!(scene.events(), [""; 0]);
}

#[test]
fn draining_at_run_time_has_an_end_too() {
    let mut scene = busy();
    scene.wish([(1, Drain)]);
    scene.sync();
    scene.pass(60 * SECOND);
    assert_eq!(scene.events(), ["web/s1 drained: timed out"]);
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn maintenance_takes_out_at_once_and_checks_go_on() {
    let mut scene = busy();
    scene.wish([(1, Maintenance)]);
    assert_eq!(scene.state(1), ServerState::Maintenance);
    assert_eq!(scene.table(), "2=1");
    scene.sync();
    scene.down([1]);
    assert_eq!(scene.events(), ["web/s1 down"]);
    scene.wish(NONE);
    assert_eq!(scene.state(1), ServerState::Down);
    assert_eq!(scene.table(), "2=1");
    scene.up([1]);
    assert_eq!(scene.table(), "1=1 2=1");
    scene.pass(100 * SECOND);
    assert_eq!(scene.events(), ["web/s1 up"]);
}

#[test]
fn a_server_out_for_maintenance_is_not_of_the_quorum() {
    let mut scene = busy();
    scene.wish([(1, Maintenance), (2, Maintenance)]);
    assert_eq!(scene.events(), ["web lost at 0"]);
    scene.wish([(1, Maintenance)]);
    assert_eq!(scene.events(), ["web gained at 1"]);
}

#[test]
fn from_one_wish_to_another() {
    let mut scene = busy();
    for (wish, state, table) in [
        (Drain, ServerState::Draining, "1=0 2=1"),
        (Maintenance, ServerState::Maintenance, "2=1"),
        (Drain, ServerState::Drained, "2=1"),
        (Weight(7), ServerState::Up, "1=7 2=1"),
        (Drain, ServerState::Draining, "1=0 2=1"),
        (Ready, ServerState::Up, "1=1 2=1"),
    ] {
        scene.wish([(1, wish)]);
        assert_eq!(scene.state(1), state, "{wish:?}");
        assert_eq!(scene.table(), table, "{wish:?}");
        scene.sync();
    }
}

#[test]
fn a_server_that_the_configuration_drains_serves_if_it_is_wanted() {
    let mut scene = Scene::new(&with([draining(1), server(2)]));
    scene.up([1, 2]);
    scene.wish([(1, Ready)]);
    assert_eq!(scene.table(), "1=1 2=1");
    scene.sync();
    scene.wish(NONE);
    assert_eq!(scene.state(1), ServerState::Draining);
    assert_eq!(scene.table(), "1=0 2=1");
    scene.wish([(1, Weight(9))]);
    assert_eq!(
        scene.table(),
        "1=0 2=1",
        "a weight is not a reason to serve"
    );
    scene.wish([(1, Maintenance)]);
    scene.wish(NONE);
    assert_eq!(scene.state(1), ServerState::Drained);
}

#[test]
fn a_weight_comes_before_those_of_configuration_and_checks() {
    let mut scene = busy();
    scene.wish([(1, Weight(7))]);
    assert_eq!(scene.table(), "1=7 2=1");
    let slot = scene.slots(1)[0];
    scene.report(slot, Health::Up, Some(3));
    assert_eq!(scene.table(), "1=7 2=1");
    assert_eq!(scene.events(), [""; 0]);
    scene.wish([(1, Weight(0))]);
    assert_eq!(scene.table(), "1=0 2=1");
    scene.wish(NONE);
    assert_eq!(scene.table(), "1=3 2=1", "what the check said meanwhile");
    scene.wish([(1, Weight(7))]);
    scene.down([1]);
    assert_eq!(scene.table(), "2=1", "it is no reason to serve either");
}

#[test]
fn a_weight_counts_for_the_quorum() {
    let mut scene = Scene::new(&site([VirtualService {
        quorum: quorum(5, 0),
        ..web([server(1), server(2)])
    }]));
    scene.up([1, 2]);
    assert_eq!(
        scene.events(),
        [
            "web/s1 up, first",
            "web/s2 up, first",
            "web lost at 2, first"
        ]
    );
    scene.wish([(1, Weight(4))]);
    assert_eq!(scene.events(), ["web gained at 5"]);
    scene.wish(NONE);
    assert_eq!(scene.events(), ["web lost at 2"]);
}

#[test]
fn wishes_stay_over_a_reload() {
    let mut scene = busy();
    scene.wish([(1, Maintenance), (2, Weight(5)), (3, Drain)]);
    assert_eq!(scene.table(), "2=5");
    scene.replace(&with([server(1), weighing(2, 3), server(3)]));
    assert_eq!(scene.table(), "2=5");
    scene.up([3]);
    assert_eq!(scene.state(3), ServerState::Drained, "it was never in");
    assert_eq!(scene.table(), "2=5");
    scene.wish(NONE);
    assert_eq!(scene.table(), "1=1 2=3 3=1");
}

#[test]
fn a_server_that_goes_while_it_is_out_leaves_nothing() {
    let mut scene = busy();
    scene.wish([(1, Maintenance)]);
    scene.sync();
    scene.replace(&with([server(2)]));
    assert_eq!(scene.table(), "2=1");
    scene.wish(NONE);
    scene.replace(&with([server(1), server(2)]));
    assert_eq!(scene.state(1), ServerState::Checking);
}

#[test]
fn a_restart_goes_on_with_what_was_wished() {
    let mut scene = Scene::after(&with([server(1), server(2)]), &[(1, 0), (2, 1)]);
    scene.wish([(1, Drain)]);
    scene.connect(1, 1, 1, 0);
    scene.up([1, 2]);
    assert_eq!(scene.table(), "1=0 2=1");
    scene.sync();
    scene.connect(1, 1, 0, 0);
    scene.read();
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn servers_that_are_taken_out_are_no_mass_failure() {
    let mut guarded = with((1..=20).map(server));
    guarded.ipvs.mass_failure = Some(crate::site::MassFailure::default());
    let mut scene = Scene::new(&guarded);
    scene.up(1..=20);
    scene.events();
    scene.wish((1..=18).map(|last| (last, Maintenance)));
    assert_eq!(scene.events(), [""; 0]);
    scene.down(1..=18);
    let events = scene.events();
    assert!(
        events.iter().all(|event| !event.contains("hold")),
        "{events:?}"
    );
    assert_eq!(scene.table(), "19=1 20=1");
}

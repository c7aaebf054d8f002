//! Another configuration.

use locum_health::Health;
use locum_ipvs::Forward;

use super::super::{ServerState, Slot};
use super::support::*;
use crate::site::{OnFailure, RealServer, VirtualService};

fn slots(scene: &Scene) -> Vec<Slot> {
    scene.pools.checks().map(|(slot, _, _)| slot).collect()
}

#[test]
fn the_same_site_changes_nothing() {
    let site = site([web([server(1), server(2), server(3)]), service("b", 2, [])]);
    let mut scene = Scene::new(&site);
    scene.up([1]);
    scene.down([2]);
    scene.events();
    let before = (
        format!("{:?}", scene.pools.pools),
        scene.tables(),
        slots(&scene),
    );
    scene.replace(&site);
    let after = (
        format!("{:?}", scene.pools.pools),
        scene.tables(),
        slots(&scene),
    );
    assert_eq!(after, before);
    assert_eq!(scene.events(), [""; 0]);
    assert!(!scene.pools.first_round_done());
}

#[test]
fn a_server_that_stays_keeps_its_health_and_its_slots() {
    let mut scene = Scene::new(&site([web([server(1), server(2)])]));
    scene.up([1]);
    scene.down([2]);
    scene.events();
    let kept = scene.slots(1);
    let mut renamed = weighing(1, 9);
    renamed.name = "first".into();
    scene.replace(&site([web([server(3), renamed, server(2)])]));
    assert_eq!(scene.table(), "1=9");
    assert_eq!(scene.slots(1), kept);
    assert_eq!(scene.state(2), ServerState::Down);
    assert_eq!(scene.state(3), ServerState::Checking);
    assert!(!slots(&scene)[..1].contains(&kept[0]), "a new number");
    scene.up([3]);
    assert_eq!(scene.events(), ["web/s3 up, first"]);
    assert_eq!(scene.table(), "1=9 3=1");
}

#[test]
fn a_service_is_found_by_its_address_when_its_name_changes() {
    let mut scene = Scene::new(&site([web([server(1)])]));
    scene.up([1]);
    scene.events();
    scene.replace(&site([service("www", 1, [server(1)])]));
    assert_eq!(scene.table(), "1=1");
    assert_eq!(scene.events(), [""; 0]);
    scene.down([1]);
    assert_eq!(scene.events(), ["www/s1 down", "www lost at 0"]);
}

#[test]
fn two_services_may_swap_their_addresses() {
    let mut scene = Scene::new(&site([
        service("a", 1, [server(1)]),
        service("b", 2, [server(2)]),
    ]));
    scene.up([1, 2]);
    scene.replace(&site([
        service("a", 2, [server(1)]),
        service("b", 1, [server(2)]),
    ]));
    assert_eq!(scene.tables(), ["2=1", "1=1"]);
}

#[test]
fn a_new_check_of_a_server_in_service_passes_until_it_fails() {
    let mut scene = Scene::new(&site([web([server(1), server(2)])]));
    scene.up([1]);
    scene.down([2]);
    scene.events();
    let more = |last| RealServer {
        checks: [check(address(last)), check(address(99))].into(),
        ..server(last)
    };
    scene.replace(&site([web([more(1), more(2)])]));
    let beliefs: Vec<_> = scene.pools.checks().map(|(_, _, health)| health).collect();
    use Health::{Down, Unknown, Up};
    assert_eq!(beliefs, [Up, Up, Down, Unknown]);
    assert_eq!(scene.table(), "1=1");
    assert_eq!(scene.events(), [""; 0]);
    let added = scene.slots(1)[1];
    scene.report(added, Down, None);
    assert_eq!(scene.events(), ["web/s1 down", "web lost at 0"]);
}

#[test]
fn without_the_check_that_failed_a_server_is_up() {
    let both = RealServer {
        checks: [check(address(1)), check(address(99))].into(),
        ..server(1)
    };
    let mut scene = Scene::new(&site([web([both])]));
    let slots = scene.slots(1);
    scene.report(slots[0], Health::Up, None);
    scene.report(slots[1], Health::Down, None);
    scene.events();
    scene.replace(&site([web([server(1)])]));
    assert_eq!(scene.events(), ["web/s1 up", "web gained at 1"]);
    assert_eq!(scene.table(), "1=1");
}

#[test]
fn what_is_decided_follows_the_new_configuration() {
    let mut scene = Scene::new(&site([web([server(1), server(2)])]));
    scene.up([1]);
    scene.down([2]);
    scene.events();
    scene.replace(&site([VirtualService {
        on_failure: OnFailure::Quiesce,
        quorum: quorum(2, 0),
        sorry: Some(sorry()),
        ..web([server(1), server(2)])
    }]));
    assert_eq!(scene.events(), ["web lost at 1"]);
    assert_eq!(scene.table(), "1=0 2=0 250=1");
}

#[test]
fn a_service_that_goes_is_ours_until_it_is_seen_gone() {
    let two = site([web([server(1)]), service("b", 2, [server(1)])]);
    let mut scene = Scene::new(&two);
    scene.up([1]);
    scene.sync();
    scene.replace(&site([web([server(1)])]));
    assert!(scene.pools.is_ours(&key(2)));
    assert_eq!(scene.tables(), ["1=1"]);
    scene.sync();
    assert_eq!(scene.kernel(), ["1=1"]);
    assert!(!scene.pools.is_ours(&key(2)));
}

#[test]
fn another_port_of_a_directly_routed_server_takes_nothing_out() {
    let on = |port| {
        let mut one = server(1);
        one.port = port;
        one.forward = Forward::Direct;
        site([VirtualService {
            drain_timeout: 60 * SECOND,
            ..web([one])
        }])
    };
    let mut scene = Scene::new(&on(80));
    scene.up([1]);
    scene.events();
    scene.replace(&on(8080));
    assert_eq!(scene.table(), "1=1");
    let reports = scene.pools.report(scene.now);
    assert_eq!(reports[0].servers.len(), 1, "nothing drains");
    let slot = slots(&scene)[0];
    scene.report(slot, Health::Down, None);
    assert_eq!(scene.table(), "");
}

//! Many that fail together.

use super::super::ServerState;
use super::support::*;
use crate::site::{MassFailure, Site, VirtualService};

/// 80 percent within 5 s, at least 10, for 30 s.
fn guarded(services: impl IntoIterator<Item = VirtualService>) -> Site {
    let mut site = site(services);
    site.ipvs.mass_failure = Some(MassFailure::default());
    site
}

fn up(servers: u8) -> Scene {
    let mut scene = Scene::new(&guarded([web((1..=servers).map(server))]));
    scene.up(1..=servers);
    scene.events();
    scene
}

fn holds(scene: &mut Scene) -> Vec<String> {
    let mut events = scene.events();
    events.retain(|event| event.contains("hold") || !event.contains('/'));
    events
}

fn all(servers: u8) -> String {
    let all: Vec<_> = (1..=servers).map(|n| format!("{n}=1")).collect();
    all.join(" ")
}

#[test]
fn what_fell_in_the_burst_is_put_back_and_stays() {
    let mut scene = up(20);
    scene.down(1..=15);
    assert_eq!(holds(&mut scene), [""; 0]);
    assert_eq!(scene.table(), "16=1 17=1 18=1 19=1 20=1");
    scene.down([16]);
    assert_eq!(holds(&mut scene), ["hold of 16"]);
    assert_eq!(scene.table(), all(20));
    assert_eq!(scene.state(1), ServerState::Held);

    scene.pass(10 * SECOND);
    scene.down([17]);
    assert_eq!(scene.events(), ["web/s17 down, held"]);
    scene.up([1]);
    assert_eq!(scene.events(), ["web/s1 up"]);
    assert_eq!(scene.state(1), ServerState::Up);
    assert_eq!(scene.table(), all(20));

    scene.pass(20 * SECOND);
    assert_eq!(scene.events(), ["hold ended, 16 taken out"]);
    assert_eq!(scene.table(), "1=1 18=1 19=1 20=1");
    assert_eq!(scene.state(2), ServerState::Down);
    scene.pass(100 * SECOND);
    assert_eq!(scene.table(), "1=1 18=1 19=1 20=1");
    assert_eq!(scene.events(), [""; 0]);
}

#[test]
fn when_a_hold_begins() {
    // Servers that were up, how many fail, each so many milliseconds after the one before, and whether that is a hold.
    let table = [
        (10, 8, 0, false, "fewer than at_least"),
        (10, 9, 0, false, "fewer than at_least"),
        (10, 10, 0, true, "all"),
        (20, 15, 0, false, "fewer than 80 percent"),
        (20, 16, 0, true, "80 percent"),
        (20, 16, 300, true, "within 4.5 s"),
        (20, 20, 1000, false, "one after the other"),
    ];
    for (servers, fail, pause, begins, why) in table {
        let mut scene = up(servers);
        for one in 1..=fail {
            scene.down([one]);
            scene.pass(SECOND * pause / 1000);
        }
        let held = holds(&mut scene).iter().any(|e| e.starts_with("hold of"));
        assert_eq!(held, begins, "{fail} of {servers}: {why}");
    }
}

#[test]
fn the_quorum_comes_back_with_the_servers() {
    let service = VirtualService {
        quorum: quorum(15, 0),
        sorry: Some(sorry()),
        ..web((1..=20).map(server))
    };
    let mut scene = Scene::new(&guarded([service]));
    scene.up(1..=20);
    scene.events();
    scene.down(1..=16);
    assert_eq!(
        holds(&mut scene),
        ["web lost at 14", "hold of 16", "web gained at 20"]
    );
    assert_eq!(scene.table(), all(20));
    scene.pass(30 * SECOND);
    assert_eq!(
        holds(&mut scene),
        ["hold ended, 16 taken out", "web lost at 4"]
    );
    assert_eq!(scene.table(), "17=0 18=0 19=0 20=0 250=1");
}

#[test]
fn what_fell_before_the_burst_stays_out() {
    let mut scene = up(20);
    scene.down([1]);
    scene.pass(6 * SECOND);
    scene.down(2..=20);
    assert_eq!(scene.state(1), ServerState::Down);
    assert_eq!(scene.state(2), ServerState::Held);
}

#[test]
fn a_server_in_many_services_counts_once() {
    let services = (1..=5).map(|n| service(&format!("v{n}"), n, (1..=12).map(server)));
    let mut scene = Scene::new(&guarded(services));
    scene.up(1..=12);
    scene.events();
    // 45 failures, but of nine machines.
    scene.down(1..=9);
    assert_eq!(holds(&mut scene), [""; 0]);
    scene.down([10]);
    assert!(holds(&mut scene).iter().any(|e| e.starts_with("hold of")));
    assert_eq!(scene.tables(), vec![all(12); 5]);
}

#[test]
fn one_site_of_many_that_fails_everywhere_is_its_own_fault() {
    let services = (1..=2).map(|n| service(&format!("v{n}"), n, (1..=12).map(server)));
    let mut scene = Scene::new(&guarded(services));
    scene.up(1..=12);
    scene.events();
    for server in 1..=12 {
        let first = scene.slots(server)[0];
        scene.report(first, locum_health::Health::Down, None);
    }
    assert_eq!(holds(&mut scene), ["v1 lost at 0"]);
    assert_eq!(scene.tables(), ["", &all(12)]);
}

#[test]
fn at_the_start_there_is_nothing_to_hold() {
    let mut scene = Scene::new(&guarded([web((1..=20).map(server))]));
    scene.down(1..=20);
    assert_eq!(holds(&mut scene), ["web lost at 0, first"]);
    assert_eq!(scene.table(), "");
}

#[test]
fn what_a_restart_inherits_is_held() {
    let left: Vec<_> = (1..=20).map(|n| (n, 1)).collect();
    let mut scene = Scene::after(&guarded([web((1..=20).map(server))]), &left);
    scene.down(1..=20);
    assert_eq!(scene.table(), all(20));
}

#[test]
fn a_weight_that_was_asked_for_is_kept() {
    let mut scene = up(10);
    let slot = scene.slots(1)[0];
    scene.report(slot, locum_health::Health::Up, Some(7));
    scene.down(1..=10);
    assert!(scene.table().starts_with("1=7 2=1"), "{}", scene.table());
}

#[test]
fn a_second_burst_is_another_hold() {
    let mut scene = up(20);
    scene.down(1..=20);
    scene.pass(30 * SECOND);
    scene.events();
    assert_eq!(scene.table(), "");
    scene.up(1..=20);
    scene.down(1..=20);
    assert!(holds(&mut scene).contains(&"hold of 16".to_owned()));
    assert_eq!(scene.table(), all(20));
}

#[test]
fn a_reload_keeps_the_hold_unless_it_takes_it_away() {
    let mut scene = up(20);
    scene.down(1..=20);
    scene.events();
    scene.replace(&guarded([web((1..=20).map(server))]));
    assert_eq!(scene.events(), [""; 0]);
    assert_eq!(scene.table(), all(20));
    scene.replace(&site([web((1..=20).map(server))]));
    assert_eq!(
        scene.events(),
        ["hold ended, 20 taken out", "web lost at 0"]
    );
    assert_eq!(scene.table(), "");
}

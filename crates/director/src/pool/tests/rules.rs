//! Up and down, weights, forwarding, services of the kernel.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use locum_health::Health::{self, Down, Unknown, Up};
use locum_ipvs::{
    Forward, IpFamily, Op, Protocol, Scheduler, Service, ServiceKey, Snapshot, Thresholds, Tunnel,
    plan,
};

use super::super::{Connections, Input, ServerState, Slot};
use super::support::*;
use crate::site::{OnFailure, VirtualService};

#[test]
fn a_server_is_up_when_all_its_checks_are() {
    let table: [(&[Health], ServerState, &str); 8] = [
        (&[], ServerState::Up, "1=1"),
        (&[Up], ServerState::Up, "1=1"),
        (&[Down], ServerState::Down, ""),
        (&[Unknown], ServerState::Checking, ""),
        (&[Up, Up], ServerState::Up, "1=1"),
        (&[Up, Down], ServerState::Down, ""),
        (&[Up, Unknown], ServerState::Checking, ""),
        (&[Unknown, Down, Up], ServerState::Down, ""),
    ];
    for (results, state, entries) in table {
        let mut one = server(1);
        one.checks = vec![check(address(1)); results.len()].into();
        let mut scene = Scene::new(&site([web([one])]));
        let slots = scene.slots(1);
        assert_eq!(slots.len(), results.len(), "each check has a slot");
        for (slot, health) in slots.into_iter().zip(results) {
            scene.report(slot, *health, None);
        }
        assert_eq!(scene.state(1), state, "{results:?}");
        assert_eq!(scene.table(), entries, "{results:?}");
    }
}

#[test]
fn the_reason_is_the_first_check_that_fails() {
    let mut one = server(1);
    one.checks = [check(address(1)), check(address(2)), check(address(3))].into();
    let mut scene = Scene::new(&site([web([one])]));
    let slots = scene.slots(1);
    scene.report(slots[2], Down, None);
    scene.report(slots[1], Down, None);
    let report = scene.pools.report(scene.now);
    let reason = report[0].servers[0].reason.as_ref().expect("a reason");
    assert_eq!(
        reason.to_string(),
        "tcp check of 10.0.0.2:80: connection refused"
    );
}

#[test]
fn the_least_weight_that_a_check_asks_for_counts() {
    let table: [([Option<u32>; 2], &str); 6] = [
        ([None, None], "1=5"),
        ([Some(9), None], "1=9"),
        ([None, Some(3)], "1=3"),
        ([Some(9), Some(7)], "1=7"),
        ([Some(9), Some(0)], "1=0"),
        ([Some(u32::MAX), None], "1=2147483647"),
    ];
    for (weights, entries) in table {
        let mut one = weighing(1, 5);
        one.checks = vec![check(address(1)); 2].into();
        let mut scene = Scene::new(&site([web([one])]));
        for (slot, weight) in scene.slots(1).into_iter().zip(weights) {
            scene.report(slot, Up, weight);
        }
        assert_eq!(scene.table(), entries, "{weights:?}");
        assert_eq!(scene.state(1), ServerState::Up, "weight is not health");
    }
}

#[test]
fn a_change_of_weight_is_told_once() {
    let mut scene = Scene::new(&site([web([weighing(1, 5)])]));
    let slot = scene.slots(1)[0];
    scene.report(slot, Up, None);
    scene.events();
    scene.report(slot, Up, Some(3));
    assert_eq!(scene.events(), ["web/s1 5->3"]);
    scene.report(slot, Up, Some(3));
    assert_eq!(scene.events(), [""; 0]);
    scene.report(slot, Up, None);
    assert_eq!(scene.events(), ["web/s1 3->5"]);
    assert_eq!(scene.table(), "1=5");
}

#[test]
fn a_server_of_weight_0_is_in_the_table() {
    let mut scene = Scene::new(&site([web([weighing(1, 0), server(2)])]));
    scene.up([1, 2]);
    assert_eq!(scene.table(), "1=0 2=1");
}

#[test]
fn a_server_that_fails_is_removed_or_quiesced() {
    for (on_failure, entries) in [(OnFailure::Remove, "2=1"), (OnFailure::Quiesce, "1=0 2=1")] {
        let service = VirtualService {
            on_failure,
            ..web([server(1), server(2)])
        };
        let mut scene = Scene::new(&site([service]));
        scene.up([1, 2]);
        scene.down([1]);
        assert_eq!(scene.table(), entries);
        scene.up([1]);
        assert_eq!(scene.table(), "1=1 2=1");
    }
}

#[test]
fn ups_and_downs_are_told_once() {
    let mut scene = Scene::new(&site([web([server(1), server(2)])]));
    scene.up([1]);
    assert_eq!(scene.events(), ["web/s1 up, first"]);
    scene.down([2]);
    assert_eq!(
        scene.events(),
        ["web/s2 down, first", "web gained at 1, first"]
    );
    scene.down([2]);
    assert_eq!(scene.events(), [""; 0]);
    scene.up([2]);
    assert_eq!(scene.events(), ["web/s2 up"]);
    scene.down([2]);
    assert_eq!(scene.events(), ["web/s2 down"]);
}

#[test]
fn unknown_slots_change_nothing() {
    let mut scene = Scene::new(&site([web([server(1)])]));
    scene.up([1]);
    scene.events();
    for slot in [7, u64::MAX] {
        scene.report(Slot(slot), Down, None);
    }
    scene.report(scene.slots(1)[0], Unknown, None);
    assert_eq!(scene.table(), "1=1");
    assert_eq!(scene.events(), [""; 0]);
}

#[test]
fn every_service_of_the_kernel_has_the_servers_that_it_can_have() {
    let six = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let mark = |family| ServiceKey::FirewallMark {
        family,
        mark: NonZeroU32::MIN,
    };
    let keys = [
        key(1),
        key(2),
        ServiceKey::tcp(SocketAddr::new(six(1).into(), 80)),
        mark(IpFamily::V4),
        mark(IpFamily::V6),
    ];
    let mut far = server(6);
    far.ip = six(6).into();
    let mut tunnelled = server(7);
    tunnelled.forward = Forward::Tunnel(Tunnel::Ipip);
    for one in [&mut far, &mut tunnelled] {
        one.checks = Box::default();
    }
    let mut service = web([far, tunnelled]);
    service.kernel = keys
        .iter()
        .map(|key| Service::new(*key, Scheduler::WLC))
        .collect();
    let scene = Scene::new(&site([service]));
    assert_eq!(
        scene.tables(),
        ["7=1", "7=1", "7=1 v6-6=1", "7=1", "7=1 v6-6=1"]
    );
}

#[test]
fn only_a_masqueraded_server_has_a_port_of_its_own() {
    let table = [
        (Forward::Masquerade, 8080),
        (Forward::Direct, 80),
        (Forward::Local, 80),
        (Forward::Tunnel(Tunnel::Ipip), 80),
    ];
    for (forward, port) in table {
        let mut one = server(1);
        one.port = 8080;
        one.forward = forward;
        one.thresholds = Some(Thresholds::new(100, 80).unwrap());
        one.checks = Box::default();
        let scene = Scene::new(&site([web([one])]));
        let ops = plan(scene.pools.desired(), &Snapshot::default());
        let Some(Op::AddDestination(key, destination)) = ops.last() else {
            panic!("no destination in {ops:?}");
        };
        assert_eq!(destination.key(key).port, port, "{forward:?}");
        assert_eq!(destination.forward(), forward);
        assert_eq!(destination.settings().upper_threshold, 100);
        assert_eq!(destination.settings().lower_threshold, 80);
    }
}

#[test]
fn two_servers_in_one_place_do_not_lose_the_service() {
    let mut twin = server(1);
    twin.port = 81;
    twin.forward = Forward::Direct;
    let mut one = server(1);
    one.forward = Forward::Direct;
    let mut service = web([one, twin, server(2)]);
    for server in &mut service.servers {
        server.checks = Box::default();
    }
    assert_eq!(Scene::new(&site([service])).table(), "1=1 2=1");
}

#[test]
fn the_report_has_states_and_counts() {
    let mut udp = web([server(1), server(2)]);
    let second = ServiceKey::Endpoint {
        protocol: Protocol::UDP,
        address: IpAddr::from([192, 0, 2, 1]),
        port: 80,
    };
    udp.kernel = [key(1), second]
        .map(|key| Service::new(key, Scheduler::WLC))
        .into();
    let mut scene = Scene::new(&site([udp]));
    scene.up([1]);
    scene.sync();
    scene.connect(1, 1, 5, 7);
    scene.connect_to(&second, 1, 0, 2);
    scene.read();
    scene.now += SECOND;
    let [pool] = scene.pools.report(scene.now).try_into().expect("one pool");
    assert_eq!(pool.kernel, [key(1), second]);
    assert_eq!((pool.weight, pool.sorry), (1, None));
    let server = &pool.servers[0];
    assert_eq!(server.state, ServerState::Up);
    assert_eq!(server.weight.map(|weight| weight.get()), Some(1));
    assert_eq!(server.for_time, SECOND);
    let connections = Connections {
        active: 5,
        inactive: 9,
    };
    assert_eq!(server.connections, connections);
    assert_eq!(pool.servers[1].state, ServerState::Checking);
    assert_eq!(pool.servers[1].weight, None);
}

#[test]
fn a_timeout_that_is_early_changes_nothing() {
    let mut scene = Scene::new(&site([web([server(1)])]));
    let due = scene.pools.poll_timeout();
    let before = format!("{:?}", scene.pools);
    scene.pools.handle(scene.now, Input::Timeout);
    assert_eq!(format!("{:?}", scene.pools), before);
    assert_eq!(scene.pools.poll_timeout(), due);
}

/// As many servers as a table has for one machine after another that fails and comes back.
#[test]
fn a_thousand_servers_that_flip_are_one_table() {
    let services = (0..10).map(|n| {
        let servers = (0..100).map(server);
        service(&format!("v{n}"), n, servers)
    });
    let mut scene = Scene::new(&site(services));
    scene.up(0..100);
    scene.sync();
    scene.down(0..100);
    assert_eq!(scene.tables(), vec![String::new(); 10]);
    scene.up(0..100);
    let full: Vec<String> = (0..100).map(|n| format!("{n}=1")).collect();
    assert_eq!(scene.tables(), vec![full.join(" "); 10]);
    let changes = scene.kernel();
    scene.sync();
    assert_eq!(scene.kernel(), changes, "nothing had to change");
}

//! Servers that may finish their connections.

use std::net::IpAddr;
use std::sync::Arc;

use locum_ipvs::{Protocol, Scheduler, Service, ServiceKey};

use super::super::ServerState;
use super::support::*;
use crate::site::{RealServer, Site, VirtualService};

fn draining_site(servers: impl IntoIterator<Item = RealServer>) -> Site {
    site([VirtualService {
        drain_timeout: 60 * SECOND,
        ..web(servers)
    }])
}

/// Two servers, in the kernel, `s1` with a connection.
fn busy() -> Scene {
    let mut scene = Scene::new(&draining_site([server(1), server(2)]));
    scene.up([1, 2]);
    scene.sync();
    scene.connect(1, 1, 1, 9);
    scene.read();
    scene.events();
    scene
}

#[test]
fn a_server_that_is_drained_finishes_first() {
    let mut scene = busy();
    scene.replace(&draining_site([draining(1), server(2)]));
    assert_eq!(scene.state(1), ServerState::Draining);
    assert_eq!(scene.table(), "1=0 2=1");
    scene.sync();
    assert_eq!(scene.table(), "1=0 2=1");
    scene.connect(1, 1, 0, 9);
    scene.read();
    assert_eq!(scene.events(), ["web/s1 drained: empty"]);
    assert_eq!(scene.state(1), ServerState::Drained);
    assert_eq!(scene.table(), "2=1");
    scene.pass(100 * SECOND);
    assert_eq!(scene.events(), [""; 0]);

    scene.replace(&draining_site([server(1), server(2)]));
    assert_eq!(scene.table(), "1=1 2=1", "its checks went on");
    assert_eq!(scene.events(), [""; 0]);
}

#[test]
fn a_table_from_before_the_draining_does_not_end_it() {
    let mut scene = busy();
    scene.connect(1, 1, 0, 0);
    scene.replace(&draining_site([draining(1), server(2)]));
    scene.read();
    assert_eq!(scene.table(), "1=0 2=1", "it still had a weight");
    scene.sync();
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn draining_has_an_end() {
    let mut scene = busy();
    scene.replace(&draining_site([draining(1), server(2)]));
    scene.sync();
    scene.pass(30 * SECOND);
    scene.replace(&draining_site([draining(1), server(2)]));
    assert_eq!(scene.table(), "1=0 2=1");
    scene.pass(30 * SECOND);
    assert_eq!(scene.events(), ["web/s1 drained: timed out"]);
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn checks_play_no_part_in_draining() {
    let mut scene = busy();
    scene.replace(&draining_site([draining(1), server(2)]));
    scene.sync();
    scene.down([1]);
    assert_eq!(scene.events(), ["web/s1 down"]);
    assert_eq!(scene.table(), "1=0 2=1");
    scene.up([1]);
    assert_eq!(scene.table(), "1=0 2=1");
}

#[test]
fn a_draining_server_is_not_of_the_quorum() {
    let mut scene = busy();
    scene.replace(&draining_site([draining(1), draining(2)]));
    assert_eq!(scene.events(), ["web lost at 0"]);
}

#[test]
fn a_server_that_is_not_in_the_table_has_nothing_to_drain() {
    let mut scene = Scene::new(&draining_site([draining(1), server(2)]));
    assert_eq!(scene.state(1), ServerState::Drained);
    scene.up([1, 2]);
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn a_restart_goes_on_with_draining() {
    let mut scene = Scene::after(&draining_site([draining(1), server(2)]), &[(1, 0), (2, 1)]);
    scene.connect(1, 1, 1, 0);
    scene.sync();
    assert_eq!(scene.table(), "1=0 2=1");
    scene.connect(1, 1, 0, 0);
    scene.read();
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn without_a_time_for_it_there_is_no_draining() {
    let mut scene = Scene::new(&site([web([server(1), server(2)])]));
    scene.up([1, 2]);
    scene.replace(&site([web([draining(1), server(2)])]));
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn a_server_that_a_reload_removes_finishes_first() {
    let mut scene = busy();
    let slots = scene.slots(1);
    scene.replace(&draining_site([server(2)]));
    assert_eq!(scene.table(), "1=0 2=1");
    assert_eq!(scene.state(1), ServerState::Draining);
    assert!(scene.pools.checks().all(|(slot, _, _)| slot != slots[0]));
    scene.sync();
    scene.connect(1, 1, 0, 0);
    scene.read();
    assert_eq!(scene.events(), ["web/s1 drained: empty"]);
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn one_that_comes_back_meanwhile_stays_as_it_is_until_it_passes() {
    let mut scene = busy();
    scene.replace(&draining_site([server(2)]));
    scene.sync();
    scene.replace(&draining_site([server(1), server(2)]));
    assert_eq!(scene.table(), "1=0 2=1");
    assert_eq!(scene.state(1), ServerState::Checking);
    scene.up([1]);
    assert_eq!(scene.table(), "1=1 2=1");
    scene.pass(100 * SECOND);
    assert_eq!(scene.table(), "1=1 2=1");
}

#[test]
fn a_service_that_a_reload_removes_finishes_first() {
    let mut scene = busy();
    scene.replace(&site([]));
    assert_eq!(scene.tables(), ["1=0 2=0"]);
    scene.sync();
    assert_eq!(scene.events(), ["web/s2 drained: empty"]);
    assert_eq!(scene.tables(), ["1=0"]);
    assert!(scene.pools.is_ours(&key(1)));
    scene.pass(60 * SECOND);
    assert_eq!(scene.events(), ["web/s1 drained: timed out"]);
    assert_eq!(scene.tables(), [""; 0]);
    assert!(scene.pools.is_ours(&key(1)), "it is still in the kernel");
    scene.sync();
    assert_eq!(scene.kernel(), [""; 0]);
    assert!(!scene.pools.is_ours(&key(1)), "whoever adds it now owns it");
}

#[test]
fn a_service_that_comes_back_meanwhile_is_not_taken_out() {
    let mut scene = busy();
    scene.replace(&site([]));
    scene.sync();
    scene.replace(&draining_site([server(1), server(2), server(3)]));
    assert_eq!(scene.table(), "1=0");
    scene.up([1, 2, 3]);
    assert_eq!(scene.table(), "1=1 2=1 3=1");
    scene.pass(100 * SECOND);
    assert_eq!(scene.table(), "1=1 2=1 3=1");
}

#[test]
fn an_address_that_a_service_gives_up_finishes_first() {
    let mut scene = busy();
    let mut moved = draining_site([server(1), server(2)]);
    Arc::make_mut(&mut moved.services[0]).kernel = [Service::new(key(2), Scheduler::WLC)].into();
    scene.replace(&moved);
    assert_eq!(scene.tables(), ["1=0 2=0", "1=1 2=1"]);
    scene.sync();
    assert_eq!(scene.tables(), ["1=0", "1=1 2=1"]);
    scene.pass(60 * SECOND);
    assert_eq!(scene.tables(), ["1=1 2=1"]);
}

#[test]
fn udp_has_drained_when_nothing_is_left_at_all() {
    let udp = ServiceKey::Endpoint {
        protocol: Protocol::UDP,
        address: IpAddr::from([192, 0, 2, 1]),
        port: 53,
    };
    let with = |one: RealServer| {
        let mut site = draining_site([one, server(2)]);
        Arc::make_mut(&mut site.services[0]).kernel = [Service::new(udp, Scheduler::WLC)].into();
        site
    };
    let mut scene = Scene::new(&with(server(1)));
    scene.up([1, 2]);
    scene.sync();
    scene.connect_to(&udp, 1, 0, 1);
    scene.replace(&with(draining(1)));
    scene.sync();
    assert_eq!(scene.table(), "1=0 2=1");
    scene.connect_to(&udp, 1, 0, 0);
    scene.read();
    assert_eq!(scene.table(), "2=1");
}

#[test]
fn all_addresses_of_a_service_must_have_drained() {
    let with = |one: RealServer| {
        let mut site = draining_site([one, server(2)]);
        let kernel = [1, 2].map(|vip| Service::new(key(vip), Scheduler::WLC));
        Arc::make_mut(&mut site.services[0]).kernel = kernel.into();
        site
    };
    let mut scene = Scene::new(&with(server(1)));
    scene.up([1, 2]);
    scene.sync();
    scene.connect(2, 1, 1, 0);
    scene.replace(&with(draining(1)));
    scene.sync();
    assert_eq!(scene.tables(), ["1=0 2=1", "1=0 2=1"]);
    scene.connect(2, 1, 0, 0);
    scene.read();
    assert_eq!(scene.tables(), ["2=1", "2=1"]);
}

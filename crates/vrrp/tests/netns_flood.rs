//! A flood of hostile packets, in network namespaces. Needs root and `ip`. How fast it can be without an advertisement
//! being late is measured by `cargo xtask lab flood`.

#![cfg(feature = "netlink")]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use locum_lab::flood::{Flood, Hostile, Sent, Target};
use locum_lab::{Capture, Host, Lan, wait_until};
use locum_vrrp::election::Config;
use locum_vrrp::{
    AdvertInterval, DropCounters, EventKind, LinkCounters, Node, Password, Priority, Router,
    RouterConfig, State, Vrid,
};

const BOUND: Duration = Duration::from_secs(20);
/// In which one machine of CI sends enough, and no router would be taken for dead should it stall.
const FLOOD: Duration = Duration::from_secs(1);
const RATE: u32 = 20_000;

const V3: (u8, Ipv4Addr) = (51, Ipv4Addr::new(192, 0, 2, 10));
const V2: (u8, Ipv4Addr) = (52, Ipv4Addr::new(192, 0, 2, 11));

fn config((vrid, address): (u8, Ipv4Addr), interval: AdvertInterval, priority: u8) -> RouterConfig {
    let election = Config::new(interval, Priority::new(priority)).unwrap();
    let address = format!("{address}/24").parse().unwrap();
    RouterConfig::new("eth0", Vrid::new(vrid).unwrap(), vec![address], election).unwrap()
}

/// One router of version 3 and one of version 2 with a password.
async fn routers(node: &Node, priority: u8) -> [Router; 2] {
    let v3 = config(V3, AdvertInterval::v3(50).unwrap(), priority);
    let v2 = config(V2, AdvertInterval::v2(1).unwrap(), priority);
    let v2 = v2.password(Password::new("secret").unwrap()).unwrap();
    [
        node.add("v3", v3).await.unwrap(),
        node.add("v2", v2).await.unwrap(),
    ]
}

async fn until(routers: &[Router], state: State) {
    for router in routers {
        let mut watch = router.watch();
        let reached = tokio::time::timeout(BOUND, watch.wait_for(|status| status.state == state));
        assert!(reached.await.is_ok(), "{:?}", router.status());
    }
}

/// What became of all packets that a host has received.
#[derive(Debug, Clone, Copy)]
struct Counted {
    heard: u64,
    dropped: DropCounters,
    link: LinkCounters,
}

impl Counted {
    fn of(routers: &[Router; 2]) -> Self {
        let [v3, v2] = routers.each_ref().map(Router::status);
        let mut dropped = v3.dropped;
        dropped.password += v2.dropped.password;
        dropped.ttl += v2.dropped.ttl;
        dropped.checksum += v2.dropped.checksum;
        dropped.length += v2.dropped.length;
        dropped.version += v2.dropped.version;
        dropped.packet_type += v2.dropped.packet_type;
        dropped.no_addresses += v2.dropped.no_addresses;
        dropped.authentication += v2.dropped.authentication;
        dropped.interval += v2.dropped.interval;
        // Counters of the link are told to its routers by turns.
        let link = if total(&v3.link) > total(&v2.link) {
            v3.link
        } else {
            v2.link
        };
        Self {
            heard: v3.stats.adverts_received + v2.stats.adverts_received,
            dropped,
            link,
        }
    }

    fn total(&self) -> u64 {
        let DropCounters {
            ttl,
            length,
            version,
            packet_type,
            checksum,
            no_addresses,
            interval,
            authentication,
            password,
            ..
        } = self.dropped;
        let dropped = ttl + length + version + packet_type + checksum + no_addresses;
        self.heard + dropped + interval + authentication + password + total(&self.link)
    }
}

fn total(link: &LinkCounters) -> u64 {
    link.unknown_vrid + link.malformed + link.receive_queue_overflows
}

/// Waits until everything that was sent is counted, by reason or as dropped by the kernel.
fn accounted(routers: &[Router; 2], expected: impl Fn() -> u64) -> Counted {
    let mut counted = Counted::of(routers);
    let all = wait_until("every packet to be counted", BOUND, || {
        counted = Counted::of(routers);
        counted.total() >= expected()
    });
    assert!(all.is_ok(), "{} expected: {counted:?}", expected());
    counted
}

fn sent_of(sent: &Sent, kind: Hostile) -> u64 {
    sent.by_kind.get(&kind).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_packets_change_nothing_but_counters() {
    let lan = Lan::bridge().unwrap();
    let hosts = ["a", "b", "enemy"].map(|name| Host::new(name).unwrap());
    for (host, last) in hosts.iter().zip(1..) {
        let address = format!("192.0.2.{last}/24").parse().unwrap();
        lan.attach(host, "eth0", &[address]).unwrap();
    }
    let [a, b, enemy] = &hosts;
    let nodes = [a, b].map(|host| host.run(|| Node::start_netlink().unwrap()));
    let on_a = routers(&nodes[0], 150).await;
    let on_b = routers(&nodes[1], 100).await;
    until(&on_a, State::Master).await;
    until(&on_b, State::Backup).await;

    let capture = Capture::sent_from(a, "eth0").unwrap();
    wait_until("advertisements to replay", BOUND, || {
        capture.adverts().len() >= 4
    })
    .unwrap();
    let frames = capture.frames().into_iter().map(|frame| frame.bytes);
    let replayed: Vec<_> = frames.filter(|bytes| bytes[12..14] == [8, 0]).collect();
    let target = Target {
        v3: V3,
        v2: V2,
        foreign: 99,
        source: Ipv4Addr::new(192, 0, 2, 3),
    };
    let mut events = nodes.each_ref().map(Node::events);
    let became_master = || {
        let routers = on_a.iter().chain(&on_b);
        routers
            .map(|router| router.status().stats.became_master)
            .sum::<u64>()
    };
    let before = became_master();

    let flood = Flood::start(enemy, "eth0", &target, &replayed, Some(RATE)).unwrap();
    tokio::time::sleep(FLOOD).await;
    let sent = flood.stop();
    for kind in Hostile::ALL {
        assert!(sent_of(&sent, kind) > 0, "{sent:?}");
    }

    // Nothing else is sent to the master. Its own advertisements, replayed, its kernel takes for forged.
    let to_master = sent.total() - sent_of(&sent, Hostile::Replayed);
    let at_a = accounted(&on_a, || to_master);
    assert_eq!(at_a.heard, 0, "{at_a:?}");
    // The backup has heard the master too.
    let genuine = || -> u64 {
        let sent = on_a
            .each_ref()
            .map(|router| router.status().stats.adverts_sent);
        sent.iter().sum()
    };
    let at_b = accounted(&on_b, || sent.total());
    nodes[0].publish().await.unwrap();
    for (counted, most) in [(at_a, to_master), (at_b, sent.total() + genuine())] {
        // The kernel's count of overflows is an upper bound.
        if counted.link.receive_queue_overflows == 0 {
            assert!(counted.total() <= most, "{counted:?}");
            assert_eq!(counted.dropped.ttl, sent_of(&sent, Hostile::WrongTtl));
            assert_eq!(
                counted.dropped.password,
                sent_of(&sent, Hostile::WrongPassword)
            );
            assert!(counted.dropped.checksum >= sent_of(&sent, Hostile::WrongChecksum));
            assert!(counted.link.unknown_vrid >= sent_of(&sent, Hostile::Foreign));
        }
    }

    assert_eq!(became_master(), before);
    until(&on_a, State::Master).await;
    until(&on_b, State::Backup).await;
    for events in &mut events {
        while let Ok(event) = events.try_recv() {
            assert!(!matches!(event.kind, EventKind::Transition(_)), "{event:?}");
        }
    }
}

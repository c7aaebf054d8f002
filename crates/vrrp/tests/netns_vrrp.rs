//! Nodes with real sockets, timers and addresses, in network namespaces of their own. Needs root and `ip`.

#![cfg(feature = "netlink")]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use ipnet::IpNet;
use locum_lab::{Host, Lan, wait_until};
use locum_vrrp::election::Config;
use locum_vrrp::vip::{
    AddressDriver as _, Change, Claim, Foreign, Lease, LinkWatch, NetlinkAddresses, Options,
    WatchOptions,
};
use locum_vrrp::wire::AhPacket;
use locum_vrrp::{
    AdvertInterval, AhKey, HmacFreshness, HmacKey, HmacKeyId, HmacKeys, HmacMode, HmacWindow, Node,
    Password, Peer, Priority, Router, RouterConfig, Start, StartError, State, Vrid,
};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

const BOUND: Duration = Duration::from_secs(10);
const NO_DAD: &str = "nodad";

struct Pair {
    lan: Lan,
    hosts: [Host; 2],
    nodes: [Node; 2],
}

impl Pair {
    /// Two hosts on a link, each with `eth0` and a node.
    fn new() -> Self {
        let lan = Lan::bridge().unwrap();
        let hosts = ["a", "b"].map(|name| Host::new(name).unwrap());
        for (host, last) in hosts.iter().zip(1..) {
            let addresses = [format!("192.0.2.{last}/24"), format!("fd00::{last}/64")];
            lan.attach(host, "eth0", &addresses.map(|text| net(&text)))
                .unwrap();
            host.ip(&format!("address add fe80::{last}/64 dev eth0 {NO_DAD}"))
                .unwrap();
        }
        let nodes = hosts
            .each_ref()
            .map(|host| host.run(|| Node::start_netlink().unwrap()));
        Self { lan, hosts, nodes }
    }

    /// `config` on both, with priorities 150 and 100, once the first one is Master.
    async fn elect(&self, config: impl Fn(usize, u8) -> RouterConfig) -> [Router; 2] {
        let a = self.nodes[0].add("a", config(0, 150)).await.unwrap();
        let b = self.nodes[1].add("b", config(1, 100)).await.unwrap();
        until(&a, State::Master).await;
        until(&b, State::Backup).await;
        held(&a).await;
        [a, b]
    }

    /// Stops the Master and starts it again.
    async fn moves(&self, config: impl Fn(usize, u8) -> RouterConfig) {
        let [a, b] = self.elect(&config).await;
        let vip = a.status().addresses.first().unwrap().address.addr();
        // On a busy machine the second was Master for a moment, and still lingers.
        wait_until("the first to be the one owner", BOUND, || {
            self.hosts[0].has_address(vip) && !self.hosts[1].has_address(vip)
        })
        .unwrap();
        a.stop().await;
        assert_eq!(b.status().state, State::Master);
        assert!(!self.hosts[0].has_address(vip) && self.hosts[1].has_address(vip));

        let a = self.nodes[0].add("a", config(0, 150)).await.unwrap();
        until(&a, State::Master).await;
        until(&b, State::Backup).await;
        held(&a).await;
        for router in [&a, &b] {
            assert_eq!(
                router.status().dropped,
                Default::default(),
                "{:?}",
                router.status()
            );
            assert_eq!(router.status().link.unknown_vrid, 0);
        }
        for node in &self.nodes {
            node.shutdown().await;
        }
        assert!(!self.hosts[0].has_address(vip) && !self.hosts[1].has_address(vip));
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn config(vrid: u8, address: &str, priority: u8) -> RouterConfig {
    let election = Config::new(AdvertInterval::v3(10).unwrap(), Priority::new(priority)).unwrap();
    RouterConfig::new(
        "eth0",
        Vrid::new(vrid).unwrap(),
        vec![net(address)],
        election,
    )
    .unwrap()
}

async fn until(router: &Router, state: State) {
    let mut watch = router.watch();
    let reached = tokio::time::timeout(BOUND, watch.wait_for(|status| status.state == state));
    let reached = reached.await.map(|status| status.is_ok());
    assert_eq!(
        reached,
        Ok(true),
        "{state:?} was not reached: {:?}",
        router.status()
    );
}

async fn held(router: &Router) {
    let mut watch = router.watch();
    let reached = tokio::time::timeout(BOUND, watch.wait_for(|status| status.holds_all()));
    assert!(reached.await.is_ok(), "{:?}", router.status());
}

#[tokio::test]
async fn multicast_over_ipv4() {
    let pair = Pair::new();
    let capture = pair.lan.capture().unwrap();
    pair.moves(|_, priority| config(51, "192.0.2.10/24", priority))
        .await;
    let adverts = capture.adverts();
    assert!(!adverts.is_empty());
    for advert in adverts {
        assert_eq!((advert.destination, advert.ttl), (ip("224.0.0.18"), 255));
        assert!(
            [ip("192.0.2.1"), ip("192.0.2.2")].contains(&advert.source),
            "{advert:?}"
        );
    }
    // RFC 791 type of service: internetwork control; the protocol is VRRP.
    let vrrp = capture.frames();
    let mut vrrp = vrrp
        .iter()
        .filter(|frame| frame.bytes[12..14] == [8, 0] && frame.bytes[23] == 112);
    assert!(
        vrrp.all(|frame| frame.bytes[15] == 0xc0 && frame.bytes[..6] == [1, 0, 0x5e, 0, 0, 18])
    );
}

#[tokio::test]
async fn multicast_over_ipv6() {
    let pair = Pair::new();
    let capture = pair.lan.capture().unwrap();
    pair.moves(|_, priority| config(51, "fd00::10/64", priority))
        .await;
    let adverts = capture.adverts();
    assert!(!adverts.is_empty());
    for advert in adverts {
        assert_eq!((advert.destination, advert.ttl), (ip("ff02::12"), 255));
        let link_local =
            matches!(advert.source, IpAddr::V6(source) if source.is_unicast_link_local());
        assert!(link_local, "{advert:?}");
    }
}

#[tokio::test]
async fn unicast_over_both_families() {
    for (vip, hosts) in [
        ("192.0.2.10/24", ["192.0.2.1", "192.0.2.2"]),
        ("fd00::10/64", ["fd00::1", "fd00::2"]),
    ] {
        let pair = Pair::new();
        let capture = pair.lan.capture().unwrap();
        pair.moves(|node, priority| {
            let peer = Peer {
                min_ttl: 255,
                ..Peer::new(ip(hosts[1 - node]))
            };
            let config = config(51, vip, priority).unicast(vec![peer]).unwrap();
            config.source(ip(hosts[node])).unwrap()
        })
        .await;
        let adverts = capture.adverts();
        assert!(!adverts.is_empty());
        for advert in adverts {
            let of_hosts = hosts.map(ip);
            assert!(of_hosts.contains(&advert.source) && of_hosts.contains(&advert.destination));
            assert_eq!(advert.ttl, 255);
        }
    }
}

#[tokio::test]
async fn version_2_with_a_password() {
    let pair = Pair::new();
    let password = |text| Password::new(text).unwrap();
    let config = |priority, text| {
        let interval = AdvertInterval::v2(1).unwrap();
        let election = Config::new(interval, Priority::new(priority)).unwrap();
        let vrid = Vrid::new(51).unwrap();
        RouterConfig::new("eth0", vrid, vec![net("192.0.2.10/24")], election)
            .unwrap()
            .password(password(text))
            .unwrap()
    };
    let [a, b] = pair.elect(|_, priority| config(priority, "secret")).await;
    let mut watch = b.watch();
    let heard = watch.wait_for(|status| status.master.is_some());
    tokio::time::timeout(BOUND, heard).await.unwrap().unwrap();
    b.stop().await;
    let b = pair.nodes[1].add("b", config(100, "other")).await.unwrap();
    until(&b, State::Master).await;
    assert!(b.status().dropped.password >= 2);
    assert_eq!(a.status().state, State::Master, "neither hears the other");
}

#[tokio::test]
async fn version_2_with_an_authentication_header() {
    let pair = Pair::new();
    let capture = pair.lan.capture().unwrap();
    let config = |priority, key| {
        let interval = AdvertInterval::v2(1).unwrap();
        let election = Config::new(interval, Priority::new(priority)).unwrap();
        let vrid = Vrid::new(51).unwrap();
        RouterConfig::new("eth0", vrid, vec![net("192.0.2.10/24")], election)
            .unwrap()
            .header(AhKey::new(key).unwrap(), None)
            .unwrap()
    };
    let [a, b] = pair.elect(|_, priority| config(priority, "secret")).await;
    assert_eq!(b.status().dropped, Default::default());
    a.stop().await;
    until(&b, State::Master).await;
    held(&b).await;
    // The kernel puts only the header's checksum in, and that is the one that was there.
    let frames = capture.frames();
    let key = AhKey::new("secret").unwrap();
    let mut sequences = Vec::new();
    for frame in &frames {
        if frame.bytes[12..14] == [8, 0] && frame.bytes[23] == 51 {
            let packet = AhPacket::new_checked(&frame.bytes[14..]).unwrap();
            packet.verify(&key).unwrap();
            assert_eq!(&frame.bytes[..6], [1, 0, 0x5e, 0, 0, 18]);
            assert_eq!((frame.bytes[15], frame.bytes[22]), (0xc0, 255));
            sequences.push(packet.sequence());
        }
    }
    assert!(sequences.len() >= 3 && sequences.is_sorted_by(|one, next| one < next));

    let a = pair.nodes[0].add("a", config(150, "other")).await.unwrap();
    until(&a, State::Master).await;
    assert!(a.status().dropped.ah_icv >= 2);
    assert_eq!(b.status().state, State::Master, "neither hears the other");
    for node in &pair.nodes {
        node.shutdown().await;
    }
}

#[tokio::test]
async fn version_3_with_authentication_trailers() {
    for vip in ["192.0.2.10/24", "fd00::10/64"] {
        let pair = Pair::new();
        pair.moves(|_, priority| {
            let id = HmacKeyId::new(1).unwrap();
            let keys = HmacKeys::new(id, HmacKey::new([7; 32]).unwrap());
            let freshness = HmacFreshness::Window(HmacWindow::new(5).unwrap());
            config(51, vip, priority)
                .trailer(keys, HmacMode::Enforce, freshness)
                .unwrap()
        })
        .await;
    }
}

#[tokio::test]
async fn many_routers_share_two_sockets_for_each_family() {
    let pair = Pair::new();
    let mut routers = Vec::new();
    for vrid in 1..=40 {
        for (family, address) in [
            (4, format!("192.0.2.{}/24", vrid + 9)),
            (6, format!("fd00::{vrid}:1/64")),
        ] {
            for (node, priority) in pair.nodes.iter().zip([150, 100]) {
                let config = config(vrid, &address, priority);
                let name = format!("{vrid} over IPv{family}");
                routers.push((priority, node.add(&name, config).await.unwrap()));
            }
        }
    }
    for (priority, router) in &routers {
        if *priority == 150 {
            until(router, State::Master).await;
        }
    }
    for (priority, router) in &routers {
        if *priority == 100 {
            until(router, State::Backup).await;
            assert_eq!(router.status().link.receive_queue_overflows, 0);
        }
    }
    for host in &pair.hosts {
        // In /proc/net/raw the local port is the protocol: 112 is 0x70.
        for (file, local) in [
            ("raw", "00000000:0070"),
            ("raw6", "00000000000000000000000000000000:0070"),
        ] {
            let path = format!("/proc/thread-self/net/{file}");
            let sockets = host.run(move || std::fs::read_to_string(path).unwrap());
            assert_eq!(sockets.matches(local).count(), 2, "{sockets}");
        }
    }
}

#[tokio::test]
async fn a_removed_address_is_back_at_once() {
    let pair = Pair::new();
    let [a, _b] = pair
        .elect(|_, priority| config(51, "192.0.2.10/24", priority))
        .await;
    // The next renewal would do it as well, within a second; one stall of the machine is forgiven.
    let mut at_once = 0;
    for _ in 0..5 {
        let before = a.status().addresses_restored;
        pair.hosts[0]
            .ip("address del 192.0.2.10/24 dev eth0")
            .unwrap();
        let mut watch = a.watch();
        let mut back = pin!(watch.wait_for(|status| status.addresses_restored > before));
        let soon = tokio::time::timeout(Duration::from_millis(200), &mut back).await;
        if soon.is_ok() {
            at_once += 1;
        } else {
            tokio::time::timeout(BOUND, back).await.unwrap().unwrap();
        }
        assert!(pair.hosts[0].has_address(ip("192.0.2.10")));
    }
    assert!(at_once >= 4, "{at_once} of 5");
    assert_eq!(a.status().state, State::Master);
}

#[tokio::test]
async fn a_lost_carrier_is_a_fault_and_an_interface_made_anew_is_used() {
    let host = Host::new("a").unwrap();
    let make = || {
        host.ip("link add eth0 type veth peer name peer0").unwrap();
        host.ip("address add 192.0.2.1/24 dev eth0").unwrap();
        host.ip("link set peer0 up").unwrap();
        host.ip("link set eth0 up").unwrap();
    };
    let node = host.run(|| Node::start_netlink().unwrap());
    let router = node
        .add("web", config(51, "192.0.2.10/24", 150))
        .await
        .unwrap();
    until(&router, State::Fault).await;
    assert!(router.status().faults.link && router.status().faults.source);
    make();
    until(&router, State::Master).await;
    held(&router).await;

    host.ip("link set peer0 down").unwrap();
    until(&router, State::Fault).await;
    host.ip("link set peer0 up").unwrap();
    until(&router, State::Master).await;

    host.ip("link del eth0").unwrap();
    until(&router, State::Fault).await;
    make();
    until(&router, State::Master).await;
    held(&router).await;
    assert!(host.has_address(ip("192.0.2.10")));
    node.shutdown().await;
    assert!(!host.has_address(ip("192.0.2.10")));
}

#[tokio::test]
async fn an_address_of_the_administrator_is_left_alone() {
    let pair = Pair::new();
    pair.hosts[0]
        .ip("address add 192.0.2.10/24 dev eth0")
        .unwrap();
    let mut events = pair.nodes[0].events();
    let router = pair.nodes[0]
        .add("web", config(51, "192.0.2.10/24", 150))
        .await
        .unwrap();
    until(&router, State::Fault).await;
    assert!(router.status().faults.addresses);
    let said = async {
        while let Some(event) = events.recv().await {
            if let locum_vrrp::EventKind::HoldFailed { error, .. } = event.kind {
                return error.to_string();
            }
        }
        String::new()
    };
    let said = tokio::time::timeout(BOUND, said).await.unwrap();
    assert!(
        said.contains("priority 255"),
        "the message has the cure: {said}"
    );
    pair.nodes[0].shutdown().await;
    assert!(pair.hosts[0].has_address(ip("192.0.2.10")));
}

#[tokio::test]
async fn a_missing_capability_is_named() {
    let host = Host::new("a").unwrap();
    let started = host.thread("unprivileged", || {
        let mut sets = capabilities(None).unwrap();
        sets.effective -= CapabilitySet::NET_RAW;
        set_capabilities(None, sets).unwrap();
        Node::start_netlink()
    });
    let error = started.unwrap().join().unwrap().unwrap_err();
    assert!(matches!(error, StartError::Permission));
    assert!(error.to_string().contains("CAP_NET_RAW"));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's leases run in real time"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// A process that died as Master has left its addresses behind, with its mark and its lease.
#[tokio::test]
async fn a_router_adopts_the_addresses_of_a_dead_process_without_a_moment_in_between() {
    let pair = Pair::new();
    let host = &pair.hosts[0];
    let vips = [net("192.0.2.10/24"), net("192.0.2.11/32")];
    let (watch, mut changes) = host.run(|| LinkWatch::start(WatchOptions::default()).unwrap());
    let index = watch.link_by_name("eth0").unwrap().index;
    let dead = host.run(|| NetlinkAddresses::start(Options::default()).unwrap());
    let claim = Claim {
        lease: Lease::Until(now() + Duration::from_secs(4)),
        foreign: Foreign::Refuse,
    };
    for answer in dead.ensure_present(index, &vips, claim).await {
        answer.unwrap();
    }
    drop(dead);

    let election = Config::new(AdvertInterval::v3(100).unwrap(), Priority::new(150)).unwrap();
    let vrid = Vrid::new(51).unwrap();
    let config = RouterConfig::new("eth0", vrid, vips.to_vec(), election).unwrap();
    let begun = now();
    let start = Start::Adopt { advertised: begun };
    let router = pair.nodes[0].add_with("a", config, start).await.unwrap();
    until(&router, State::Master).await;
    // Less than any Backup waits.
    assert!(now() - begun < Duration::from_secs(2));
    held(&router).await;
    // Beyond the lease that was left behind.
    tokio::time::sleep(Duration::from_secs(7)).await;
    for vip in vips {
        assert!(host.has_address(vip.addr()));
    }
    while let Ok(change) = changes.try_recv() {
        assert!(
            !matches!(change, Change::AddressRemoved { .. }),
            "{change:?}"
        );
    }
    drop(watch);
    assert_eq!(router.status().state, State::Master);
    assert_eq!(router.status().addresses_restored, 0);
    pair.nodes[0].shutdown().await;
    for vip in vips {
        assert!(!host.has_address(vip.addr()));
    }
}

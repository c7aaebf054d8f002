//! What is received and not heard is counted by its reason.

use std::net::IpAddr;
use std::time::Duration;

use locum_vrrp_election::{Config, State};
use locum_vrrp_wire::{
    AdvertInterval, Advertisement, Authentication, Password, Priority, PseudoHeader, Vrid,
};

use super::lan::{Lan, TestNode, counted, election, millis, pass, router, seconds, until};
use crate::clock;
use crate::config::{Peer, RouterConfig};
use crate::node::Router;
use crate::status::{DropCounters, EventKind, RouterStatus};

const GROUP: &str = "224.0.0.18";
const OTHER: &str = "192.0.2.9";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn advert(vrid: u8) -> Advertisement {
    let (vrid, interval) = (
        Vrid::new(vrid).expect("a VRID"),
        AdvertInterval::v3(100).expect("an interval"),
    );
    Advertisement::new(vrid, Priority::new(200), interval, [ip("192.0.2.10")]).expect("valid")
}

fn bytes(advertisement: &Advertisement, destination: &str) -> Vec<u8> {
    bytes_from(OTHER, advertisement, destination)
}

fn bytes_from(source: &str, advertisement: &Advertisement, destination: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pseudo_header = PseudoHeader::new(ip(source), ip(destination)).expect("one family");
    advertisement
        .encode_into(&pseudo_header, &mut bytes)
        .expect("one family");
    bytes
}

/// How the counters look once `messages` have come in.
async fn after(
    node: &TestNode,
    router: &Router,
    messages: &[(&str, &str, u8, Vec<u8>)],
) -> DropCounters {
    for (source, destination, ttl, message) in messages {
        node.inject(source, destination, *ttl, message.clone());
    }
    pass(millis(1)).await;
    counted(node, router).await.dropped
}

#[tokio::test(start_paused = true)]
async fn whatever_is_not_heard_is_counted_by_its_reason() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    let good = bytes(&advert(51), GROUP);
    let broken = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        (OTHER, GROUP, 255, bytes)
    };
    let v2 = AdvertInterval::v2(1).expect("an interval");
    let v2 = Advertisement::new(
        Vrid::new(51).expect("a VRID"),
        Priority::new(200),
        v2,
        [ip("192.0.2.10")],
    );
    let v2 = bytes(&v2.expect("valid"), GROUP);
    let dropped = after(
        &a,
        &on_a,
        &[
            (OTHER, GROUP, 254, good.clone()),
            (OTHER, "192.0.2.1", 255, good.clone()),
            (OTHER, GROUP, 255, good[..7].to_vec()),
            broken(0, 0x41),
            (OTHER, GROUP, 255, v2),
            broken(0, 0x32),
            broken(6, 0xff),
        ],
    )
    .await;
    let expected = DropCounters {
        ttl: 1,
        delivery: 1,
        length: 1,
        version: 2,
        packet_type: 1,
        checksum: 1,
        ..DropCounters::default()
    };
    assert_eq!(dropped, expected);
    assert_eq!(on_a.status().stats.adverts_received, 0);

    a.inject_with(OTHER, GROUP, 255, bytes(&advert(52), GROUP), Some(3));
    a.inject_with(OTHER, GROUP, 255, vec![0x31], Some(5));
    a.inject(OTHER, GROUP, 255, good);
    pass(millis(1)).await;
    let RouterStatus { link, stats, .. } = counted(&a, &on_a).await;
    assert_eq!(
        (
            link.unknown_vrid,
            link.malformed,
            link.receive_queue_overflows
        ),
        (1, 1, 5)
    );
    assert_eq!(stats.adverts_received, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_for_being_almost_the_same_as_the_last() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    let good = bytes(&advert(51), GROUP);
    let broken = {
        let mut bytes = good.clone();
        bytes[2] = 201;
        bytes
    };
    let longer = [&good[..], &[0]].concat();
    let messages = [
        (OTHER, GROUP, 255, good.clone()),
        (OTHER, GROUP, 255, good.clone()),
        (OTHER, GROUP, 254, good.clone()),
        // The pseudo-header is another.
        ("192.0.2.8", GROUP, 255, good.clone()),
        (OTHER, "192.0.2.1", 255, good.clone()),
        (OTHER, GROUP, 255, broken),
        (OTHER, GROUP, 255, good[..11].to_vec()),
        // Padding is none of the message's.
        (OTHER, GROUP, 255, longer),
        (OTHER, GROUP, 255, good.clone()),
    ];
    let dropped = after(&a, &on_a, &messages).await;
    let expected = DropCounters {
        ttl: 1,
        delivery: 1,
        length: 1,
        checksum: 2,
        ..DropCounters::default()
    };
    assert_eq!(dropped, expected);
    assert_eq!(on_a.status().stats.adverts_received, 4);

    let mut addresses = router(51, election(100)).addresses().to_vec();
    addresses.push("192.0.2.11/24".parse().expect("an address"));
    let vrid = Vrid::new(51).expect("a VRID");
    let changed = RouterConfig::new("eth0", vrid, addresses, election(100)).expect("valid");
    on_a.reconfigure(changed).await.expect("in place");
    let messages = [(OTHER, GROUP, 255, good)];
    assert_eq!(after(&a, &on_a, &messages).await.other_addresses, 1);
}

#[tokio::test(start_paused = true)]
async fn only_those_with_the_password_are_heard() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let interval = AdvertInterval::v2(1).expect("an interval");
    let config = Config::new(interval, Priority::DEFAULT).expect("a priority");
    let password = Password::new("secret").expect("fits");
    let config = router(51, config).password(password).expect("v2 has it");
    let on_a = a.add(config.clone()).await;

    let with = |authentication| {
        let mut sent = config.advertisement().clone();
        sent.set_priority(Priority::new(200));
        let sent = sent.with_authentication(authentication).expect("v2 has it");
        (OTHER, GROUP, 255, bytes(&sent, GROUP))
    };
    let other = Password::new("Secret").expect("fits");
    let messages = [
        with(Authentication::None),
        with(Authentication::Password(other)),
        with(Authentication::Password(password)),
    ];
    let dropped = after(&a, &on_a, &messages).await;
    assert_eq!((dropped.authentication, dropped.password), (1, 1));
    assert_eq!(on_a.status().stats.adverts_received, 1);
}

#[tokio::test(start_paused = true)]
async fn unicast_is_heard_from_peers_within_their_bounds_only() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let peers = vec![Peer {
        min_ttl: 250,
        max_ttl: 254,
        ..Peer::new(ip(OTHER))
    }];
    let config = router(51, election(100)).unicast(peers).expect("valid");
    let on_a = a.add(config).await;
    let here = "192.0.2.1";
    let good = bytes(&advert(51), here);
    let messages = [
        ("192.0.2.8", here, 254, good.clone()),
        (OTHER, here, 255, good.clone()),
        (OTHER, here, 249, good.clone()),
        (OTHER, GROUP, 255, bytes(&advert(51), GROUP)),
        (OTHER, here, 250, good),
    ];
    let dropped = after(&a, &on_a, &messages).await;
    assert_eq!(
        (dropped.unknown_peer, dropped.ttl, dropped.delivery),
        (1, 2, 1)
    );
    assert_eq!(on_a.status().stats.adverts_received, 1);
}

#[tokio::test(start_paused = true)]
async fn unicast_goes_to_every_peer() {
    let lan = Lan::default();
    let nodes = [
        lan.node("192.0.2.1"),
        lan.node("192.0.2.2"),
        lan.node("192.0.2.3"),
    ];
    let mut routers = Vec::new();
    for (node, priority) in nodes.iter().zip([150, 100, 50]) {
        let others = nodes.iter().filter(|other| other.address != node.address);
        let peers = others.map(|other| Peer::new(other.address)).collect();
        let config = router(51, election(priority))
            .unicast(peers)
            .expect("valid");
        routers.push(node.add(config).await);
    }
    until(&routers[0], State::Master).await;
    pass(seconds(10)).await;
    for backup in &routers[1..] {
        let status = backup.status();
        assert_eq!(status.state, State::Backup);
        assert_eq!(status.dropped, DropCounters::default());
    }
    assert!(
        lan.sent()
            .iter()
            .all(|sent| !sent.destination.is_multicast())
    );
}

#[tokio::test(start_paused = true)]
async fn other_addresses_are_heard_counted_and_said_once() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    let on_a = a.add(router(51, election(100))).await;
    let more = [ip("192.0.2.10"), ip("192.0.2.11")];
    let interval = AdvertInterval::v3(100).expect("an interval");
    let vrid = Vrid::new(51).expect("a VRID");
    let other = Advertisement::new(vrid, Priority::new(200), interval, more).expect("valid");
    let message = (OTHER, GROUP, 255, bytes(&other, GROUP));
    let dropped = after(&a, &on_a, &[message.clone(), message]).await;
    assert_eq!(dropped.other_addresses, 2);
    assert_eq!(on_a.status().stats.adverts_received, 2);
    let mut said = 0;
    while let Ok(event) = events.try_recv() {
        said += usize::from(matches!(event.kind, EventKind::OtherAddresses { .. }));
    }
    assert_eq!(said, 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_starves_no_deadline() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    let stray = bytes(&advert(99), GROUP);
    pass(millis(500)).await;
    let before = lan.sent_by(&a).len();
    for _ in 0..50 {
        for _ in 0..1000 {
            a.inject(OTHER, GROUP, 255, stray.clone());
        }
        pass(seconds(1) / 10).await;
    }
    let sent = lan.sent_by(&a);
    assert_eq!(sent.len() - before, 5);
    // Counters are published with the router's own news.
    pass(seconds(1)).await;
    assert_eq!(on_a.status().link.unknown_vrid, 50_000);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_commands_does_not_make_it_deaf() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    for _ in 0..10_000 {
        a.link(true);
    }
    let last = tokio::spawn({
        let on_a = on_a.clone();
        async move { on_a.set_priority(Priority::new(90)).await }
    });
    a.inject(OTHER, GROUP, 255, bytes(&advert(51), GROUP));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(on_a.status().stats.adverts_received, 1);
    assert!(!last.is_finished(), "the flood goes on");
    assert!(last.await.expect("it ends").is_ok());
}

#[tokio::test(start_paused = true)]
async fn other_addresses_of_one_sender_are_said_once_while_another_sends_ours() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    let other = Advertisement::new(
        Vrid::new(51).expect("a VRID"),
        Priority::new(200),
        AdvertInterval::v3(100).expect("an interval"),
        [ip("192.0.2.11")],
    );
    let other = bytes(&other.expect("valid"), GROUP);
    let same = bytes_from("192.0.2.8", &advert(51), GROUP);
    for _ in 0..100 {
        a.inject(OTHER, GROUP, 255, other.clone());
        a.inject("192.0.2.8", GROUP, 255, same.clone());
    }
    pass(millis(1)).await;
    let mut said = 0;
    while let Ok(event) = events.try_recv() {
        said += usize::from(matches!(event.kind, EventKind::OtherAddresses { .. }));
    }
    assert_eq!(said, 1);
}

#[tokio::test(start_paused = true)]
async fn an_advertisement_that_waits_to_be_read_is_heard_before_its_sender_is_taken_for_dead() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    a.inject(OTHER, GROUP, 255, bytes(&advert(51), GROUP));
    pass(millis(1)).await;
    // The node does not run until its deadline is past; by then the advertisement is behind a flood.
    let flood = vec![bytes(&advert(99), GROUP); 1000];
    a.inject_unnoticed(OTHER, GROUP, flood);
    a.inject_unnoticed(OTHER, GROUP, vec![bytes(&advert(51), GROUP)]);
    pass(millis(3700)).await;
    assert_eq!(on_a.status().stats.adverts_received, 2);
    assert_eq!(on_a.status().stats.became_master, 0);
    // It is no excuse for ever.
    until(&on_a, State::Master).await;
}

#[tokio::test(start_paused = true)]
async fn packets_gather_before_a_burst_is_read_and_not_amid_a_flood() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    let good = bytes(&advert(51), GROUP);
    let micros = Duration::from_micros;
    assert_eq!(a.gathered(), []);
    // More than are read before anything else gets its turn.
    for _ in 0..200 {
        a.inject(OTHER, GROUP, 255, good.clone());
    }
    pass(millis(1)).await;
    // And those that follow a burst, as long as there is nothing else to do.
    assert_eq!(a.gathered(), [micros(500), millis(5)]);
    assert_eq!(counted(&a, &on_a).await.stats.adverts_received, 200);

    // The Master is taken for dead 3.609375 s after it was last heard, and no later for a packet that comes before.
    pass(millis(3608)).await;
    a.inject(OTHER, GROUP, 254, good);
    pass(millis(1)).await;
    assert_eq!(a.gathered(), [micros(375)]);
}

#[tokio::test(start_paused = true)]
async fn the_master_is_watched_from_when_its_words_came_in() {
    let lan = Lan::default();
    for (waited, counted) in [(millis(3), millis(3)), (seconds(1), millis(5))] {
        let a = lan.node("192.0.2.1");
        let on_a = a.add(router(51, election(100))).await;
        until(&on_a, State::Backup).await;
        pass(seconds(1)).await;
        let now = clock::now();
        a.inject_late(OTHER, GROUP, bytes(&advert(51), GROUP), waited);
        for _ in 0..4 {
            a.inject(OTHER, GROUP, 255, bytes(&advert(52), GROUP));
        }
        pass(millis(1)).await;
        let master = on_a.status().master.expect("it hears one");
        assert_eq!(master.at, now - counted);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_long_for_others_where_intervals_are_short() {
    let lan = Lan::default();
    let micros = Duration::from_micros;
    // Sixteen packets together, so that more seem to follow.
    let burst = vec![bytes(&advert(52), GROUP); 16];
    let a = lan.node("192.0.2.1");
    let slow = a.add(router(52, election(100))).await;
    until(&slow, State::Backup).await;
    let mut waits = Vec::new();
    for interval in [10, 2, 1] {
        let interval = AdvertInterval::v3(interval).expect("an interval");
        let config = Config::new(interval, Priority::new(100)).expect("a priority");
        let fast = a.add(router(51, config)).await;
        // As Master, which has nothing to do at this moment.
        until(&fast, State::Master).await;
        a.gathered();
        for message in &burst {
            a.inject(OTHER, GROUP, 255, message.clone());
        }
        pass(micros(1)).await;
        waits.push(a.gathered());
        fast.stop().await;
    }
    let [first, second, third] = &waits[..] else {
        panic!("three");
    };
    assert!(first.iter().all(|wait| *wait <= millis(5)), "{waits:?}");
    assert!(second.iter().all(|wait| *wait <= millis(1)), "{waits:?}");
    assert!(third.iter().all(|wait| *wait <= micros(500)), "{waits:?}");
    assert_eq!(
        (first.len(), second.len(), third.len()),
        (2, 2, 1),
        "{waits:?}"
    );
}

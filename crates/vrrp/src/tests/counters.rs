//! What is published at once, and what within a second.

use std::time::Instant;

use locum_vrrp_election::State;
use locum_vrrp_wire::{
    AdvertInterval, Advertisement, MULTICAST_IPV4, Priority, PseudoHeader, Vrid,
};

use super::lan::{Lan, TestNode, counted, election, millis, pass, router, seconds, until};
use crate::clock;
use crate::node::Router;

const OTHER: &str = "192.0.2.9";
const GROUP: &str = "224.0.0.18";

fn advert(priority: u8) -> Vec<u8> {
    let vrid = Vrid::new(51).expect("a VRID");
    let interval = AdvertInterval::v3(100).expect("an interval");
    let address = "192.0.2.10".parse().expect("an address");
    let advert = Advertisement::new(vrid, Priority::new(priority), interval, [address]);
    let source = OTHER.parse().expect("an address");
    let pseudo_header = PseudoHeader::new(source, MULTICAST_IPV4.into()).expect("one family");
    let mut bytes = Vec::new();
    advert
        .expect("valid")
        .encode_into(&pseudo_header, &mut bytes)
        .expect("one family");
    bytes
}

async fn hear(node: &TestNode, priority: u8) {
    node.inject(OTHER, GROUP, 255, advert(priority));
    pass(millis(1)).await;
}

fn heard(router: &Router) -> (u64, Option<Instant>) {
    let status = router.status();
    (
        status.stats.adverts_received,
        status.master.map(|master| master.at),
    )
}

#[tokio::test(start_paused = true)]
async fn counters_are_published_within_a_second_and_news_at_once() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    pass(millis(100)).await;

    let first = clock::now();
    hear(&a, 200).await;
    assert_eq!(heard(&on_a), (1, Some(first)));
    pass(millis(99)).await;
    hear(&a, 200).await;
    assert_eq!(heard(&on_a), (1, Some(first)));
    pass(millis(1000)).await;
    assert_eq!(heard(&on_a), (2, Some(first + millis(100))));

    // Another Master, or the same one with another priority.
    hear(&a, 200).await;
    hear(&a, 210).await;
    assert_eq!(heard(&on_a).0, 4);
}

#[tokio::test(start_paused = true)]
async fn the_first_after_a_second_is_published_at_once() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    for count in 1..=5 {
        hear(&a, 200).await;
        assert_eq!(heard(&on_a).0, count);
        pass(millis(1000)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_sees_the_counters_of_all_routers() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    let other = a.add(router(52, election(100))).await;
    for count in 1..=20 {
        hear(&a, 200).await;
        assert_eq!(counted(&a, &on_a).await.stats.adverts_received, count);
    }
    assert_eq!(other.status().stats.adverts_received, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_says_when_the_master_was_last_heard() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    let mut last = clock::now();
    for _ in 0..7 {
        last = clock::now();
        hear(&a, 200).await;
        pass(millis(99)).await;
    }
    let mut watch = on_a.watch();
    let master = watch.wait_for(|status| status.state == State::Master).await;
    let seen = master.expect("it lives").last_master.expect("it heard one");
    assert_eq!(seen.at, last);
    // Three intervals, and 156 parts of 256 of one; a timer of tokio's counts milliseconds.
    let late = on_a.status().since - (last + seconds(3) + seconds(1) * 156 / 256);
    assert!(late < millis(1), "{late:?}");
    assert_eq!(on_a.status().stats.adverts_received, 7);
}

#[tokio::test(start_paused = true)]
async fn what_it_did_last_can_be_seen_after_its_end() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(100))).await;
    until(&on_a, State::Backup).await;
    for _ in 0..3 {
        hear(&a, 200).await;
    }
    on_a.stop().await;
    pass(seconds(2)).await;
    assert_eq!(on_a.status().stats.adverts_received, 3);
}

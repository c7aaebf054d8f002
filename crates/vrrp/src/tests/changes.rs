//! Other configurations of a router that runs, and what is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::IpNet;
use locum_vip::AddressError;
use locum_vrrp_election::{Config, Preempt, State};
use locum_vrrp_wire::{AdvertInterval, Priority, Vrid};
use testkit::{Operation, epoch};

use super::lan::{Lan, TestNode, VIP, election, millis, pass, router, seconds, until};
use crate::beat::Beat;
use crate::config::{Peer, RouterConfig};
use crate::error::{ChangeError, Identity};

const OTHER: &str = "192.0.2.11/24";
const THIRD: &str = "192.0.2.12/24";

fn with(addresses: &[&str], election: Config) -> RouterConfig {
    let addresses: Vec<IpNet> = addresses
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect();
    let vrid = Vrid::new(51).expect("a VRID");
    RouterConfig::new("eth0", vrid, addresses, election).expect("valid")
}

/// Which addresses were asked for since.
fn asked(node: &TestNode, operation: Operation, since: std::time::Instant) -> Vec<String> {
    let calls = node.driver.calls();
    let calls = calls
        .iter()
        .filter(|call| call.operation == operation && call.at >= since);
    calls
        .flat_map(|call| call.addresses.iter().map(ToString::to_string))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_master_goes_on_with_other_addresses() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(with(&[VIP, OTHER], election(150))).await;
    until(&on_a, State::Master).await;
    pass(millis(10_300)).await;
    let (since, before) = (epoch(), on_a.status());
    on_a.reconfigure(with(&[VIP, THIRD], election(150)))
        .await
        .expect("in place");
    pass(seconds(5)).await;
    assert!(a.holds(VIP) && !a.holds(OTHER) && a.holds(THIRD));
    assert_eq!(asked(&a, Operation::EnsureAbsent, since), ["192.0.2.11"]);
    assert!(asked(&a, Operation::Announce, since).contains(&"192.0.2.12".to_owned()));
    let after = on_a.status();
    assert_eq!(after.since, before.since);
    assert!(after.holds_all() && after.addresses.len() == 2);
    assert_eq!(after.addresses_restored, 0);
    // None was missed, and those after it have the new addresses.
    let sent = lan.sent();
    let gaps = sent.windows(2).map(|two| two[1].at - two[0].at);
    assert!(gaps.max() <= Some(millis(1005)));
    let last = sent.last().expect("it advertises");
    assert_eq!(last.message[8..], [192, 0, 2, 10, 192, 0, 2, 12]);
    a.node.shutdown().await;
    assert!(!a.holds(VIP) && !a.holds(THIRD));
}

#[tokio::test(start_paused = true)]
async fn addresses_change_while_the_driver_is_slow() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(with(&[VIP], election(150))).await;
    until(&on_a, State::Master).await;
    pass(seconds(2)).await;
    a.driver.set_delay(millis(300));
    for addresses in [&[VIP, OTHER][..], &[OTHER, THIRD], &[VIP, THIRD]] {
        on_a.reconfigure(with(addresses, election(150)))
            .await
            .expect("in place");
        pass(millis(100)).await;
    }
    pass(seconds(5)).await;
    assert!(a.holds(VIP) && !a.holds(OTHER) && a.holds(THIRD));
    assert!(on_a.status().holds_all());
    assert_eq!(on_a.status().state, State::Master);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_released_is_tried_again() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(with(&[VIP, OTHER], election(150))).await;
    until(&on_a, State::Master).await;
    pass(seconds(2)).await;
    a.driver
        .fail(Operation::EnsureAbsent, || AddressError::Permission);
    on_a.reconfigure(with(&[VIP], election(150)))
        .await
        .expect("in place");
    pass(seconds(12)).await;
    assert!(a.holds(OTHER));
    assert_eq!(on_a.status().state, State::Master);
    a.driver.succeed();
    pass(seconds(6)).await;
    assert!(!a.holds(OTHER) && a.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn a_backup_goes_on_watching_and_holds_the_new_addresses_later() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(with(&[VIP], election(150))).await;
    let on_b = b.add(with(&[VIP], election(100))).await;
    until(&on_a, State::Master).await;
    for router in [&on_b, &on_a] {
        let priority = router.status().priority.get();
        router
            .reconfigure(with(&[OTHER], election(priority)))
            .await
            .expect("in place");
    }
    pass(seconds(10)).await;
    assert_eq!(on_b.status().state, State::Backup);
    on_a.stop().await;
    until(&on_b, State::Master).await;
    pass(millis(10)).await;
    assert!(b.holds(OTHER) && !b.holds(VIP) && !a.holds(VIP));
    assert_eq!(on_b.status().dropped.other_addresses, 0);
}

#[tokio::test(start_paused = true)]
async fn interval_priority_and_preemption_change_in_place() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    let quick = |priority| {
        let interval = AdvertInterval::v3(10).expect("an interval");
        Config::new(interval, Priority::new(priority)).expect("a priority")
    };
    on_a.reconfigure(router(51, quick(150))).await.expect("so");
    on_b.reconfigure(router(51, quick(100))).await.expect("so");
    let before = lan.sent().len();
    pass(millis(1010)).await;
    assert!(lan.sent().len() >= before + 10);
    assert_eq!(on_b.status().state, State::Backup);
    on_b.reconfigure(router(51, quick(200))).await.expect("so");
    until(&on_b, State::Master).await;
    let never = quick(210).preempt(Preempt::Forbid);
    on_a.reconfigure(router(51, never)).await.expect("so");
    pass(seconds(5)).await;
    assert_eq!(on_b.status().state, State::Master);
    assert_eq!(on_a.status().priority, Priority::new(210));
}

#[tokio::test(start_paused = true)]
async fn what_makes_another_router_is_refused() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    let v2 = AdvertInterval::v2(1).expect("an interval");
    let v2 = Config::new(v2, Priority::new(150)).expect("a priority");
    let peer = Peer::new("192.0.2.2".parse().expect("an address"));
    let vip: Vec<IpNet> = vec![VIP.parse().expect("an address")];
    let vrid = Vrid::new(51).expect("a VRID");
    let elsewhere = RouterConfig::new("eth1", vrid, vip, election(150)).expect("valid");
    let unicast = router(51, election(150)).unicast(vec![peer]);
    for (config, identity) in [
        (elsewhere, Identity::Interface),
        (router(52, election(150)), Identity::Vrid),
        (with(&["fd00::10/64"], election(150)), Identity::Family),
        (router(51, v2), Identity::Version),
        (unicast.expect("valid"), Identity::Delivery),
        (router(51, election(255)), Identity::Ownership),
    ] {
        assert_eq!(
            on_a.reconfigure(config).await,
            Err(ChangeError::NotInPlace(identity))
        );
    }
    on_a.stop().await;
    let stopped = on_a.reconfigure(router(51, election(150))).await;
    assert_eq!(stopped, Err(ChangeError::Stopped));
}

#[derive(Debug, Default)]
struct Counter {
    advertised: AtomicU32,
    ended: AtomicU32,
}

impl Counter {
    fn seen(&self) -> (u32, u32) {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (of(&self.advertised), of(&self.ended))
    }
}

impl Beat for Counter {
    fn advertised(&self) {
        self.advertised.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_beat_is_told_of_each_advertisement_and_of_the_end() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let beat = Arc::new(Counter::default());
    let config = || router(51, election(150)).beat(Arc::clone(&beat) as Arc<dyn Beat>);
    let on_a = a.add(config()).await;
    pass(seconds(2)).await;
    assert_eq!(beat.seen(), (0, 0));
    until(&on_a, State::Master).await;
    pass(millis(3100)).await;
    assert_eq!(beat.seen(), (4, 0));
    // None of those that could not be sent; after three of them it is in fault.
    a.fail_sends(true);
    pass(millis(3100)).await;
    assert_eq!(beat.seen(), (4, 1));
    a.fail_sends(false);
    until(&on_a, State::Master).await;
    assert_eq!(beat.seen(), (5, 1));
    on_a.reconfigure(config()).await.expect("the same");
    assert_eq!(beat.seen(), (5, 1));
    // Another one is told from now on.
    on_a.reconfigure(router(51, election(150)))
        .await
        .expect("without");
    assert_eq!(beat.seen(), (5, 2));
    on_a.reconfigure(config()).await.expect("with it again");
    pass(millis(1100)).await;
    assert_eq!(beat.seen(), (6, 2));
    // A goodbye is none.
    on_a.stop().await;
    assert_eq!(beat.seen(), (6, 3));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_until_the_node_has_ended() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.add(router(51, election(150))).await;
    assert_eq!(a.node.ping().await, Ok(()));
    a.node.shutdown().await;
    assert_eq!(a.node.ping().await, Err(ChangeError::Stopped));
}

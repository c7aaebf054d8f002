//! A process takes the place of one that died.

use locum_vrrp_election::{Reason, State};
use testkit::{Operation, epoch};

use super::lan::{Lan, TestNode, VIP, election, index, millis, pass, router, seconds, until};
use crate::node::Router;
use crate::start::Start;

/// As a process of ours left it that advertised so long ago.
async fn adopts(node: &TestNode, age: std::time::Duration) -> Router {
    node.driver
        .leave_behind(index(), VIP.parse().expect("an address"));
    pass(age).await;
    let advertised = epoch() - age;
    let config = router(51, election(150));
    node.node
        .add_with("a", config, Start::Adopt { advertised })
        .await
        .expect("it can be added")
}

#[tokio::test(start_paused = true)]
async fn the_addresses_are_leased_again_and_never_taken_away() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = adopts(&a, millis(1500)).await;
    let status = on_a.status();
    assert_eq!(status.state, State::Master);
    let reason = status.last_transition.map(|transition| transition.reason);
    assert_eq!(reason, Some(Reason::Adopted));
    assert_eq!(lan.sent().len(), 1);
    pass(seconds(3)).await;
    assert!(a.holds(VIP) && on_a.status().holds_all());
    assert_eq!(a.driver.times(Operation::EnsureAbsent), []);
    assert!(!a.driver.times(Operation::Announce).is_empty());
    on_a.stop().await;
    assert!(!a.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn too_late_they_are_cleared_away() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = adopts(&a, seconds(2)).await;
    assert_eq!(on_a.status().state, State::Backup);
    pass(millis(1)).await;
    assert!(!a.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn an_interface_that_is_told_of_a_moment_later_is_in_time() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.node.set_link("eth0", None);
    let on_a = adopts(&a, millis(500)).await;
    assert_eq!(on_a.status().state, State::Fault);
    pass(millis(100)).await;
    a.link(true);
    pass(millis(1)).await;
    assert_eq!(on_a.status().state, State::Master);
    assert_eq!(a.driver.times(Operation::EnsureAbsent), []);
}

#[tokio::test(start_paused = true)]
async fn without_carrier_they_are_cleared_away_after_the_two_intervals() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.link(false);
    let on_a = adopts(&a, millis(500)).await;
    pass(millis(1400)).await;
    assert!(a.holds(VIP));
    pass(millis(200)).await;
    assert!(!a.holds(VIP));
    assert_eq!(on_a.status().state, State::Fault);
    a.link(true);
    until(&on_a, State::Backup).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_adopts_as_a_whole_or_not_at_all() {
    let lan = Lan::default();
    let start = |age| Start::Adopt {
        advertised: epoch() - millis(age),
    };
    pass(seconds(10)).await;
    for (other, expected) in [
        (start(100), State::Master),
        (start(2000), State::Backup),
        (Start::Fresh, State::Backup),
    ] {
        let a = lan.node("192.0.2.1");
        let config = |vrid| router(vrid, election(150));
        let members = [("web", config(51), start(100)), ("mail", config(52), other)];
        let group = a.node.add_group_with("site", members).await;
        let group = group.expect("it can be added");
        assert_eq!(group.status().state, expected);
        a.node.shutdown().await;
    }
}

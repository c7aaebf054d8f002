//! Routers and interfaces come and go.

use std::num::NonZeroU8;

use locum_vip::{AddressError, LinkIndex};
use locum_vrrp_election::{Reason, State, Tracking};
use locum_vrrp_wire::Priority;
use testkit::Operation;

use super::lan::{Lan, VIP, election, index, millis, pass, router, seconds, until};
use crate::error::{AddError, ChangeError};
use crate::status::EventKind;

#[tokio::test(start_paused = true)]
async fn a_vrid_and_a_name_are_taken_once() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let first = a
        .node
        .add("web", router(51, election(150)))
        .await
        .expect("it can be added");
    let error = a
        .node
        .add("mail", router(51, election(150)))
        .await
        .expect_err("taken");
    assert!(matches!(error, AddError::DuplicateVrid { ref router, .. } if **router == *"web"));
    let error = a
        .node
        .add("web", router(52, election(150)))
        .await
        .expect_err("taken");
    assert!(matches!(error, AddError::DuplicateName(_)));
    first.stop().await;
    a.node
        .add("web", router(51, election(150)))
        .await
        .expect("free again");
}

#[tokio::test(start_paused = true)]
async fn an_absent_interface_is_a_fault_until_it_appears() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.node.set_link("eth0", None);
    let on_a = a.add(router(51, election(150))).await;
    pass(seconds(10)).await;
    let status = on_a.status();
    assert_eq!(status.state, State::Fault);
    assert!(status.faults.link && status.faults.source);
    assert_eq!(a.sockets_opened(), 0);

    a.link(false);
    pass(seconds(10)).await;
    assert!(on_a.status().faults.link && !on_a.status().faults.source);
    a.link(true);
    until(&on_a, State::Master).await;
    assert!(!on_a.status().faults.any());
}

#[tokio::test(start_paused = true)]
async fn a_lost_carrier_releases_and_a_new_one_announces_again() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    pass(seconds(10)).await;
    let announced = a.driver.times(Operation::Announce).len();
    a.link(false);
    until(&on_a, State::Fault).await;
    pass(millis(1)).await;
    assert!(!a.holds(VIP));
    a.link(true);
    until(&on_a, State::Master).await;
    pass(millis(1)).await;
    assert!(a.holds(VIP));
    assert_eq!(a.driver.times(Operation::Announce).len(), announced + 1);
    assert_eq!(a.sockets_opened(), 1, "the interface is the same");
}

#[tokio::test(start_paused = true)]
async fn an_interface_made_anew_gets_a_new_socket_and_new_addresses() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    let mut facts = a.facts(true);
    facts.index = LinkIndex::new(8).expect("not zero");
    a.node.set_link("eth0", Some(facts));
    until(&on_a, State::Backup).await;
    assert_eq!(a.sockets_opened(), 2);
    until(&on_a, State::Master).await;
    pass(millis(1)).await;
    assert!(a.driver.has(
        LinkIndex::new(8).expect("not zero"),
        VIP.parse().expect("an address")
    ));
    assert!(on_a.status().holds_all());
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_cannot_be_opened_is_a_fault_and_tried_again() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    a.fail_opens(3);
    let on_a = a.add(router(51, election(150))).await;
    pass(millis(2500)).await;
    assert!(on_a.status().faults.link);
    pass(seconds(1)).await;
    assert!(!on_a.status().faults.any());
    let mut said = 0;
    while let Ok(event) = events.try_recv() {
        said += usize::from(matches!(event.kind, EventKind::SocketFailed(_)));
    }
    assert_eq!(said, 1);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_cannot_send_is_in_fault() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    a.fail_sends(true);
    until(&on_a, State::Fault).await;
    assert!(on_a.status().faults.sending);
    pass(millis(1)).await;
    assert!(!a.holds(VIP));
    a.fail_sends(false);
    until(&on_a, State::Master).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_track_hands_over() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    on_a.tracking(Tracking::Failed).await.expect("it runs");
    until(&on_b, State::Master).await;
    until(&on_a, State::Fault).await;
    on_a.tracking(Tracking::Recovered).await.expect("it runs");
    until(&on_a, State::Master).await;
}

#[tokio::test(start_paused = true)]
async fn stopping_is_bounded_and_final() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    a.driver
        .fail(Operation::EnsureAbsent, || AddressError::Permission);
    let start = testkit::epoch();
    on_a.stop().await;
    assert!(testkit::epoch() - start <= millis(6010));
    assert_eq!(
        on_a.tracking(Tracking::Failed).await,
        Err(ChangeError::Stopped)
    );
    let refused = on_a.set_priority(Priority::MIN).await;
    assert_eq!(refused, Err(ChangeError::Stopped));
    on_a.stop().await;
    let mut watch = on_a.watch();
    while watch.changed().await.is_ok() {}
    assert_eq!(on_a.status().state, State::Initialize);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_was_given_up_at_once_does_not_delay_the_end() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.fail_sends(true);
    let hasty = election(150).missed_adverts(NonZeroU8::MIN);
    let on_a = a.add(router(51, hasty)).await;
    until(&on_a, State::Fault).await;
    pass(millis(1)).await;
    assert_eq!(on_a.status().stats.became_master, 1);
    let start = testkit::epoch();
    on_a.stop().await;
    assert!(testkit::epoch() - start < millis(10));
    assert!(!a.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn the_node_ends_with_its_last_handle() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    let driver = a.driver.clone();
    let task = a.task;
    drop((a.node, on_a));
    task.await.expect("it ends");
    assert!(!driver.has(index(), VIP.parse().expect("an address")));
    assert_eq!(lan.sent().last().expect("it sent").priority(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_everything_says_so() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.node.shutdown().await;
    a.node.shutdown().await;
    let error = a
        .node
        .add("web", router(51, election(150)))
        .await
        .expect_err("it ended");
    assert!(matches!(error, AddError::Stopped));
    assert!(a.node.events().recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_whole_story_in_order() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    pass(millis(1)).await;
    a.node.shutdown().await;
    let mut story = Vec::new();
    while let Some(event) = events.recv().await {
        let EventKind::Transition(transition) = event.kind else {
            story.push(format!("{:?}", event.kind));
            continue;
        };
        story.push(format!("{:?}", transition.to));
    }
    assert_eq!(
        story,
        [
            "Backup",
            "Master",
            "AddressesHeld",
            "Leaving",
            "Initialize",
            "AddressesReleased"
        ]
    );
    let last = on_a.status().last_transition.expect("it moved");
    assert_eq!(last.reason, Reason::NoSuccessor);
}

//! Nodes elect one Master, and planned moves are seamless.

use std::collections::BTreeSet;
use std::time::Duration;

use locum_vrrp_election::{LeasePolicy, Preempt, State};
use locum_vrrp_wire::Priority;
use testkit::Operation;

use super::lan::{Lan, VIP, election, millis, pass, router, seconds, until};

#[tokio::test(start_paused = true)]
async fn two_nodes_elect_one_master_that_fails_over_and_preempts() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;

    until(&on_a, State::Master).await;
    pass(seconds(5)).await;
    assert_eq!(on_b.status().state, State::Backup);
    let master = on_b.status().master.expect("it hears the Master");
    assert_eq!(
        (master.source, master.priority),
        (a.address, Priority::new(150))
    );
    assert!(a.holds(VIP) && !b.holds(VIP));
    assert!(on_a.status().holds_all() && !on_b.status().holds_all());

    a.cut(true);
    let cut = testkit::epoch();
    until(&on_b, State::Master).await;
    // Three adverts and the skew of priority 100.
    let takeover = testkit::epoch() - cut;
    assert!(
        takeover > seconds(2) && takeover < millis(3650),
        "{takeover:?}"
    );
    assert!(b.holds(VIP));

    a.cut(false);
    until(&on_b, State::Backup).await;
    pass(millis(100)).await;
    assert_eq!(on_a.status().state, State::Master);
    assert!(a.holds(VIP) && !b.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_master_says_so_and_answers_until_its_successor_does() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    pass(seconds(3)).await;

    let start = testkit::epoch();
    a.node.shutdown().await;
    let took = testkit::epoch() - start;

    assert_eq!(
        lan.sent_by(&a).last().expect("it sent").priority(),
        0,
        "it said so"
    );
    assert_eq!(on_b.status().state, State::Master);
    let first = lan
        .sent_by(&b)
        .first()
        .expect("the successor advertises")
        .at;
    let released = *a
        .driver
        .times(Operation::EnsureAbsent)
        .last()
        .expect("it released");
    assert!(released >= first + millis(50), "it lingered");
    assert!(!a.holds(VIP) && b.holds(VIP));
    // Skew of priority 100, and the linger.
    assert!(took < seconds(1), "{took:?}");
    assert_eq!(on_a.status().state, State::Initialize);
}

#[tokio::test(start_paused = true)]
async fn a_preemptor_holds_the_addresses_before_it_advertises() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_b = b.add(router(51, election(100))).await;
    until(&on_b, State::Master).await;

    a.driver.set_delay(millis(5));
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    let first = lan.sent_by(&a).first().expect("it advertises").at;
    let asked = a.driver.times(Operation::EnsurePresent)[0];
    assert!(first >= asked + millis(5));
    assert!(a.holds(VIP) && b.holds(VIP), "made before broken");
    pass(millis(100)).await;
    assert!(!b.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn a_priority_changed_at_run_time_moves_the_addresses() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;

    on_a.set_priority(Priority::new(50))
        .await
        .expect("it can be changed");
    until(&on_b, State::Master).await;
    assert_eq!(on_a.status().priority, Priority::new(50));
    on_a.set_priority(Priority::OWNER)
        .await
        .expect_err("255 is not for running routers");
}

#[tokio::test(start_paused = true)]
async fn many_routers_of_one_interface_share_its_socket() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let mut on_b = Vec::new();
    for vrid in 1..=100 {
        a.add(router(vrid, election(150))).await;
        on_b.push(b.add(router(vrid, election(100))).await);
    }
    pass(seconds(10)).await;
    assert_eq!((a.sockets_opened(), b.sockets_opened()), (1, 1));
    for router in on_b {
        assert_eq!(router.status().state, State::Backup);
        assert!(router.status().stats.adverts_received >= 6);
    }
}

#[tokio::test(start_paused = true)]
async fn routers_that_started_one_after_another_advertise_together() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    for vrid in 1..=100 {
        a.add(router(vrid, election(150))).await;
        pass(millis(1)).await;
    }
    pass(seconds(10)).await;
    let before = lan.sent_by(&a).len();
    pass(seconds(5)).await;
    let sent = lan.sent_by(&a).split_off(before);
    assert_eq!(sent.len(), 500);
    let moments: BTreeSet<_> = sent.iter().map(|sent| sent.at).collect();
    // They started within 100 ms: twenty beats of 5 ms, and one that is cut in two.
    assert!(moments.len() <= 5 * 21, "{}", moments.len());
    for vrid in 1..=100 {
        let of_one = sent.iter().filter(|sent| sent.message[1] == vrid);
        let at: Vec<_> = of_one.map(|sent| sent.at).collect();
        // tokio's clock counts milliseconds.
        let gaps = at.windows(2).map(|pair| pair[1] - pair[0]);
        for gap in gaps {
            assert!((millis(999)..=millis(1001)).contains(&gap), "{gap:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_address_driver_delays_no_advertisement() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.driver.set_delay(seconds(10));
    let forever = election(150)
        .lease(LeasePolicy::Off)
        .expect("no lease is fine");
    let forever = forever.preempt(Preempt::Forbid);
    let on_a = a.add(router(51, forever)).await;
    until(&on_a, State::Master).await;
    pass(seconds(60)).await;

    let sent = lan.sent_by(&a);
    assert!(sent.len() >= 60, "{}", sent.len());
    for pair in sent.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap <= millis(1001), "{gap:?}");
    }
    // One call at a time, the leftovers of an earlier life first.
    assert!(a.holds(VIP));
    let calls = a.driver.calls();
    assert_eq!(calls[0].operation, Operation::EnsureAbsent);
    assert_eq!(calls[1].operation, Operation::EnsurePresent);
}

#[tokio::test(start_paused = true)]
async fn a_driver_slower_than_the_lease_delays_no_advertisement_and_ends_a_reign_without_addresses()
{
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.driver.set_delay(seconds(10));
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    let master = testkit::epoch();
    pass(millis(4500)).await;

    let sent = lan.sent_by(&a);
    for (number, sent) in sent.iter().enumerate() {
        let due = master + seconds(1) * u32::try_from(number).expect("few");
        assert!(sent.at <= due + millis(1), "advertisement {number}");
    }
    assert_eq!(sent.len(), 5);
    // Nothing was heard of the addresses for a whole lease.
    until(&on_a, State::Fault).await;
    assert!(testkit::epoch() - master < seconds(8));
    assert!(on_a.status().faults.addresses);
    let sent = lan.sent_by(&a);
    let goodbye = sent.iter().find(|sent| sent.priority() == 0);
    assert_eq!(goodbye.expect("it said so").at - master, seconds(5));
    pass(seconds(60)).await;
    assert!(!a.holds(VIP));
}

/// Both stand still for `freeze` and go on. Returns the states after a master-down interval, and who holds the address.
async fn after_a_freeze(freeze: Duration) -> ([State; 2], [bool; 2], [u64; 2]) {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    pass(millis(5500)).await;
    tokio::time::advance(freeze).await;
    pass(seconds(5)).await;
    let routers = [on_a.status(), on_b.status()];
    (
        routers.each_ref().map(|status| status.state),
        [a.holds(VIP), b.holds(VIP)],
        routers.map(|status| status.stats.became_master),
    )
}

#[tokio::test(start_paused = true)]
async fn a_freeze_shorter_than_the_lease_changes_nothing() {
    let (states, holds, became_master) = after_a_freeze(millis(2500)).await;
    assert_eq!(states, [State::Master, State::Backup]);
    assert_eq!((holds, became_master), ([true, false], [1, 0]));
}

#[tokio::test(start_paused = true)]
async fn after_a_longer_freeze_there_is_one_owner_again() {
    let (states, holds, _) = after_a_freeze(seconds(60)).await;
    let masters = states.iter().filter(|state| **state == State::Master);
    assert_eq!(masters.count(), 1, "{states:?}");
    assert_eq!(holds, states.map(|state| state == State::Master));
}

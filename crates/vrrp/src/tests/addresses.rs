//! The address task: what is wanted becomes true, whatever the driver does.

use locum_vip::AddressError;
use locum_vrrp_election::{Config, LeasePolicy, State};
use testkit::Operation;

use super::lan::{Lan, TestNode, VIP, election, index, millis, pass, router, seconds, until};
use crate::link::LinkFacts;
use crate::status::{Event, EventKind};

async fn count(
    events: &mut tokio::sync::mpsc::UnboundedReceiver<Event>,
    is: impl Fn(&EventKind) -> bool,
) -> usize {
    pass(millis(1)).await;
    let mut count = 0;
    while let Ok(event) = events.try_recv() {
        count += usize::from(is(&event.kind));
    }
    count
}

fn facts_with_vip(node: &TestNode) -> LinkFacts {
    let mut facts = node.facts(true);
    facts
        .addresses
        .push("192.0.2.10".parse().expect("an address"));
    facts
}

#[tokio::test(start_paused = true)]
async fn an_address_that_somebody_removed_is_put_back_announced_and_counted() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    a.node.set_link("eth0", Some(facts_with_vip(&a)));
    pass(seconds(20)).await;
    let announced = a.driver.times(Operation::Announce).len();

    a.driver.remove(index(), VIP.parse().expect("an address"));
    a.link(true);
    pass(millis(1)).await;
    assert!(a.holds(VIP));
    assert_eq!(on_a.status().addresses_restored, 1);
    assert_eq!(a.driver.times(Operation::Announce).len(), announced + 1);
    assert_eq!(on_a.status().state, State::Master);
    let restored = |kind: &_| matches!(kind, EventKind::AddressRestored { .. });
    assert_eq!(count(&mut events, restored).await, 1);

    // Without being told of it, the next renewal finds out.
    a.node.set_link("eth0", Some(facts_with_vip(&a)));
    pass(seconds(3)).await;
    a.driver.remove(index(), VIP.parse().expect("an address"));
    pass(millis(1001)).await;
    assert!(a.holds(VIP));
    assert_eq!(on_a.status().addresses_restored, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failing_driver_leads_to_fault_and_is_tried_again() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    a.driver
        .fail(Operation::EnsurePresent, || AddressError::Foreign);
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Fault).await;
    assert!(on_a.status().faults.addresses);
    let failed = |kind: &_| matches!(kind, EventKind::HoldFailed { error, .. } if matches!(**error, AddressError::Foreign));
    assert!(count(&mut events, failed).await >= 1);

    a.driver.succeed();
    until(&on_a, State::Master).await;
    pass(millis(10)).await;
    assert!(a.holds(VIP) && !on_a.status().faults.any());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_is_said_once_and_repeated_until_it_works() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let mut events = a.node.events();
    let forever = |priority| election(priority).lease(LeasePolicy::Off).expect("fine");
    let on_a = a.add(router(51, forever(100))).await;
    until(&on_a, State::Master).await;
    pass(seconds(2)).await;

    a.driver
        .fail(Operation::EnsureAbsent, || AddressError::Permission);
    let on_b = b.add(router(51, forever(150))).await;
    until(&on_b, State::Master).await;
    pass(seconds(30)).await;
    assert!(a.holds(VIP) && on_a.status().holds_all());
    a.driver.succeed();
    pass(seconds(6)).await;
    assert!(!a.holds(VIP) && !on_a.status().holds_all());
    let failed = |kind: &_| matches!(kind, EventKind::ReleaseFailed { .. });
    assert_eq!(count(&mut events, failed).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_life_left_behind_is_cleared_away() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.driver
        .leave_behind(index(), VIP.parse().expect("an address"));
    a.add(router(51, election(150))).await;
    pass(millis(1)).await;
    assert!(!a.holds(VIP));
}

#[tokio::test(start_paused = true)]
async fn announcements_wait_for_the_addresses_and_follow_the_schedule() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.driver.set_delay(millis(20));
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    let master = testkit::epoch();
    pass(seconds(10)).await;
    let announced: Vec<u128> = a
        .driver
        .times(Operation::Announce)
        .into_iter()
        .map(|at| (at - master).as_millis())
        .collect();
    // The last one when the lease of a killed Master would have ended.
    let due = [20, 50, 150, 500, 1000, 5000, 6500];
    assert_eq!(announced.len(), due.len(), "{announced:?}");
    for (at, due) in announced.iter().zip(due) {
        assert!(at.abs_diff(due) <= 2, "{announced:?}");
    }
    assert_eq!(on_a.status().announcements_sent, 7);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_together_each_second() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let first = a.add(router(51, election(150))).await;
    pass(millis(20)).await;
    let second = a.add(router(52, election(150))).await;
    until(&first, State::Master).await;
    until(&second, State::Master).await;
    pass(seconds(10)).await;
    let times = a.driver.times(Operation::EnsurePresent);
    let (taken, renewed) = times.split_at(2);
    assert_ne!(taken[0], taken[1]);
    assert!(renewed.len() >= 18, "{}", renewed.len());
    for pair in renewed.chunks_exact(2) {
        assert_eq!(pair[0], pair[1]);
    }
    let each = times.iter().step_by(2);
    for (before, after) in each.clone().zip(each.skip(1)) {
        assert!(*after - *before <= millis(1051), "{:?}", *after - *before);
    }
    // Nor does anything else wait for them.
    let sent = lan.sent_by(&a);
    for router in [51, 52] {
        let of_it: Vec<_> = sent
            .iter()
            .filter(|sent| sent.message[1] == router)
            .collect();
        for pair in of_it.windows(2) {
            let gap = pair[1].at - pair[0].at;
            assert!(gap <= millis(1006), "{gap:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_announcement_holds_up_no_renewal() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    // Announcements, and everything else, take longer than the time between two renewals.
    a.driver.set_delay(millis(1500));
    pass(seconds(30)).await;
    assert!(a.holds(VIP));
    assert_eq!(on_a.status().state, State::Master);
    assert_eq!(on_a.status().stats.leases_lapsed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    a.driver
        .fail(Operation::EnsurePresent, || AddressError::Unknown);
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Fault).await;
    let times = a.driver.times(Operation::EnsurePresent);
    let at_once = times.iter().filter(|at| **at == times[0]);
    assert_eq!(at_once.count(), 3, "and then it is a failure");
}

#[tokio::test(start_paused = true)]
async fn an_owner_uses_what_the_administrator_put_there() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.10");
    let owner: Config = election(255);
    let on_a = a.add(router(51, owner)).await;
    until(&on_a, State::Master).await;
    pass(millis(1)).await;
    let claims: Vec<_> = a
        .driver
        .calls()
        .into_iter()
        .filter_map(|call| call.claim)
        .collect();
    assert!(!claims.is_empty());
    assert!(
        claims
            .iter()
            .all(|claim| claim.foreign == locum_vip::Foreign::Use)
    );
    assert_eq!(
        on_a.status().source,
        Some(a.address),
        "its own address is the virtual one"
    );
}

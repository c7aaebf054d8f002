//! A planned fail-over that does not bounce.

use locum_vrrp_election::{Reason, State};
use testkit::epoch;

use super::lan::{Lan, VIP, election, millis, pass, router, seconds, until};

#[tokio::test(start_paused = true)]
async fn the_better_router_hands_over_and_comes_back_when_it_lapses() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    pass(seconds(5)).await;
    let until_then = epoch() + seconds(60);
    on_a.stand_by(Some(until_then)).await.expect("it runs");
    let reason = on_a.status().last_transition.map(|one| one.reason);
    assert_eq!(reason, Some(Reason::StandBy));
    assert!(on_a.status().stands_by);
    while !b.holds(VIP) {
        assert!(a.holds(VIP), "make before break");
        pass(millis(1)).await;
    }
    while epoch() < until_then - seconds(1) {
        pass(seconds(1)).await;
        assert_eq!(on_b.status().state, State::Master);
    }
    assert!(!a.holds(VIP));
    until(&on_a, State::Master).await;
    assert!(!on_a.status().stands_by);
}

#[tokio::test(start_paused = true)]
async fn it_is_ended_early_by_a_moment_that_is_past() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    on_a.stand_by(None).await.expect("it runs");
    until(&on_b, State::Master).await;
    pass(seconds(600)).await;
    assert_eq!(on_b.status().state, State::Master);
    on_a.stand_by(Some(epoch())).await.expect("it runs");
    until(&on_a, State::Master).await;
}

#[tokio::test(start_paused = true)]
async fn alone_it_stays_master() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = a.add(router(51, election(150))).await;
    until(&on_a, State::Master).await;
    pass(millis(10)).await;
    on_a.stand_by(None).await.expect("it runs");
    for _ in 0..100 {
        pass(millis(100)).await;
        assert!(a.holds(VIP));
    }
    assert_eq!(on_a.status().state, State::Master);
}

#[tokio::test(start_paused = true)]
async fn one_member_hands_the_group_over() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let mut groups = Vec::new();
    for (node, priority) in [(&a, 150), (&b, 100)] {
        let member = |vrid| router(vrid, election(priority));
        let members = [("web", member(51)), ("mail", member(52))];
        let group = node.node.add_group("site", members).await;
        groups.push(group.expect("it can be added"));
    }
    let mut watch = groups[0].watch();
    let master = watch.wait_for(|group| group.state == State::Master);
    assert!(master.await.is_ok());
    groups[0].routers()[1]
        .stand_by(None)
        .await
        .expect("it runs");
    pass(seconds(60)).await;
    assert_eq!(groups[0].status().state, State::Backup);
    assert_eq!(groups[1].status().state, State::Master);
}

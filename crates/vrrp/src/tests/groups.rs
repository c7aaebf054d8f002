//! Sync groups on simulated nodes.

use locum_vrrp_election::{State, SyncGroupError, Tracking};
use locum_vrrp_wire::Vrid;

use super::lan::{Lan, TestNode, election, millis, pass, seconds, until};
use crate::config::RouterConfig;
use crate::error::AddError;
use crate::node::Group;
use crate::status::EventKind;

const VIPS: [&str; 2] = ["192.0.2.10/24", "192.0.2.20/24"];

/// A router of its own address and VRID for each place in a group.
fn member(place: usize, priority: u8) -> RouterConfig {
    let vrid = u8::try_from(51 + place).expect("few members");
    let address = VIPS[place].parse().expect("an address");
    let vrid = Vrid::new(vrid).expect("a VRID");
    RouterConfig::new("eth0", vrid, vec![address], election(priority)).expect("valid")
}

async fn add(node: &TestNode, priority: u8) -> Group {
    let members = [("web", member(0, priority)), ("mail", member(1, priority))];
    node.node
        .add_group("site", members)
        .await
        .expect("it can be added")
}

async fn reaches(group: &Group, state: State) {
    let mut watch = group.watch();
    let reached = tokio::time::timeout(seconds(60), watch.wait_for(|group| group.state == state));
    reached
        .await
        .expect("within a minute")
        .expect("the group lives");
}

fn holds(node: &TestNode) -> [bool; 2] {
    VIPS.map(|vip| node.holds(vip))
}

#[tokio::test(start_paused = true)]
async fn a_group_moves_as_a_whole_when_one_member_fails() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let (on_a, on_b) = (add(&a, 150).await, add(&b, 100).await);
    reaches(&on_a, State::Master).await;
    pass(millis(10)).await;
    assert_eq!((holds(&a), holds(&b)), ([true; 2], [false; 2]));

    let mail = &on_a.routers()[1];
    mail.tracking(Tracking::Failed).await.expect("it runs");
    for router in on_a.routers() {
        assert_eq!(router.status().state, State::Leaving, "{}", router.name());
    }
    reaches(&on_b, State::Master).await;
    pass(millis(10)).await;
    assert_eq!(holds(&a), [true; 2], "make before break");
    reaches(&on_a, State::Fault).await;
    pass(millis(10)).await;
    assert_eq!((holds(&a), holds(&b)), ([false; 2], [true; 2]));
    let states: Vec<State> = on_a
        .routers()
        .iter()
        .map(|one| one.status().state)
        .collect();
    assert_eq!(states, [State::Backup, State::Fault]);

    mail.tracking(Tracking::Recovered).await.expect("it runs");
    reaches(&on_a, State::Master).await;
    reaches(&on_b, State::Backup).await;
}

#[tokio::test(start_paused = true)]
async fn stopping_one_member_stops_the_group() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let (on_a, on_b) = (add(&a, 150).await, add(&b, 100).await);
    reaches(&on_a, State::Master).await;
    pass(millis(10)).await;
    on_a.routers()[0].stop().await;
    assert_eq!(on_b.status().state, State::Master);
    pass(millis(10)).await;
    assert_eq!((holds(&a), holds(&b)), ([false; 2], [true; 2]));
    // It is gone: its names are free.
    on_a.stop().await;
    let on_a = add(&a, 150).await;
    reaches(&on_a, State::Master).await;
    on_a.stop().await;
    let mut watch = on_a.watch();
    while watch.changed().await.is_ok() {}
    assert_eq!(on_a.status().state, State::Initialize);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_node_is_that_of_its_groups() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let on_a = add(&a, 150).await;
    reaches(&on_a, State::Master).await;
    let start = testkit::epoch();
    a.node.shutdown().await;
    assert!(testkit::epoch() - start < millis(3010));
    assert_eq!(holds(&a), [false; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_group_changes_nothing() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let refused = async |name: &str, members: Vec<(&str, RouterConfig)>| {
        let error = a.node.add_group(name, members).await;
        error.expect_err("not possible")
    };
    let error = refused("site", vec![("web", member(0, 150))]).await;
    assert!(matches!(error, AddError::SyncGroup(SyncGroupError::TooFew)));
    let owner = vec![("web", member(0, 150)), ("mail", member(1, 255))];
    let error = refused("site", owner).await;
    assert!(matches!(
        error,
        AddError::SyncGroup(SyncGroupError::Owner { member: 1 })
    ));
    let error = refused("site", vec![("web", member(0, 1)), ("web", member(1, 1))]).await;
    assert!(matches!(error, AddError::DuplicateName(ref name) if **name == *"web"));
    let error = refused("site", vec![("web", member(0, 1)), ("mail", member(0, 1))]).await;
    assert!(matches!(error, AddError::DuplicateVrid { ref router, .. } if **router == *"web"));

    let site = add(&a, 150).await;
    let error = refused("site", Vec::new()).await;
    assert!(matches!(error, AddError::DuplicateGroup(ref name) if **name == *"site"));
    let error = refused("other", vec![("a", member(0, 1)), ("b", member(1, 1))]).await;
    assert!(matches!(error, AddError::DuplicateVrid { ref router, .. } if **router == *"web"));
    reaches(&site, State::Master).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_tells_its_states_and_who_keeps_it_back() {
    let lan = Lan::default();
    let a = lan.node("192.0.2.1");
    let mut events = a.node.events();
    let site = add(&a, 150).await;
    let held_back = |group: &Group| -> Vec<String> {
        let status = group.status();
        status
            .held_back_by
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(site.status().members.len(), 2);
    assert_eq!(held_back(&site), ["web", "mail"]);
    let mail = &site.routers()[1];
    mail.tracking(Tracking::Failed).await.expect("it runs");
    pass(seconds(10)).await;
    assert_eq!(held_back(&site), ["mail"]);
    mail.tracking(Tracking::Recovered).await.expect("it runs");
    reaches(&site, State::Master).await;
    assert_eq!(held_back(&site), [""; 0]);
    until(mail, State::Master).await;
    let mut story = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let EventKind::GroupTransition { group, to, .. } = event.kind {
            story.push(format!("{group} {to:?} by {}", event.router));
        }
    }
    assert_eq!(
        story,
        [
            "site Backup by web",
            "site Fault by mail",
            "site Backup by mail",
            "site Master by mail"
        ]
    );
}

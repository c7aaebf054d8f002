//! A node writes down what happened, and it can be replayed.

use locum_vip::AddressError;
use locum_vrrp_election::State;
use locum_vrrp_election::transcript::HEADER;
use testkit::{Operation, sim};

use super::lan::{Lan, election, pass, router, seconds, until};

#[tokio::test(start_paused = true)]
async fn what_is_recorded_of_a_node_is_replayed_to_the_same_end() {
    let lan = Lan::default();
    let (a, b) = (lan.node("192.0.2.1"), lan.node("192.0.2.2"));
    let before = a.add(router(52, election(150))).await;
    let mut recording = a.node.record();
    let on_a = a.add(router(51, election(150))).await;
    let on_b = b.add(router(51, election(100))).await;
    until(&on_a, State::Master).await;
    a.link(false);
    pass(seconds(10)).await;
    a.fail_sends(true);
    a.link(true);
    pass(seconds(20)).await;
    a.fail_sends(false);
    a.driver
        .fail(Operation::EnsurePresent, || AddressError::Permission);
    pass(seconds(20)).await;
    a.driver.succeed();
    until(&on_a, State::Master).await;
    on_a.reconfigure(router(51, election(160)))
        .await
        .expect("in place");
    on_a.stand_by(None).await.expect("it runs");
    until(&on_b, State::Master).await;
    on_a.stop().await;
    until(&on_b, State::Master).await;
    before.stop().await;
    a.node.shutdown().await;

    let mut text = String::new();
    while let Some(line) = recording.next_line().await {
        text.push_str(&line);
        text.push('\n');
    }
    assert_eq!(text.lines().next(), Some(HEADER));
    // A router whose beginning is not in it could not be replayed.
    assert!(!text.contains("router_52"), "{text}");
    let story = sim::explain(&text).expect("a transcript");
    assert!(story.contains(" events, 0 findings\n"), "{story}");
    assert!(
        story.contains("router_51: Initialize in the end"),
        "{story}"
    );
}

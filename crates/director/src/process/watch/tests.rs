use super::*;
use crate::clock;

const LIMITS: Limits = Limits {
    hello_interval: Duration::from_secs(5),
    hello_missed: 3,
    start_grace: Duration::from_secs(10),
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn running(now: Instant) -> Watch {
    let mut watch = Watch::new(LIMITS);
    watch.handle_start(now);
    watch.handle_connected(now);
    watch
}

#[test]
fn one_that_does_not_begin_is_killed() {
    let now = clock::now();
    let mut watch = Watch::new(LIMITS);
    assert_eq!(watch.poll_timeout(), None);
    watch.handle_start(now);
    assert_eq!(watch.poll_act(now + s(9)), None);
    assert_eq!(watch.poll_timeout(), Some(now + s(10)));
    assert_eq!(watch.poll_act(now + s(10)), Some(Act::Kill));
}

#[test]
fn one_that_does_not_answer_is_killed_after_the_last_hello() {
    let now = clock::now();
    let mut watch = running(now);
    let table = [
        (4, None),
        (5, Some(Act::Ask(1))),
        (9, None),
        (10, Some(Act::Ask(2))),
        (15, Some(Act::Ask(3))),
        (19, None),
        (20, Some(Act::Kill)),
    ];
    for (at, act) in table {
        assert_eq!(watch.poll_act(now + s(at)), act, "{at} s");
    }
}

#[test]
fn only_answers_to_open_hellos_count() {
    let now = clock::now();
    let mut watch = running(now);
    assert!(!watch.handle_answer(0), "nothing was asked");
    assert_eq!(watch.poll_act(now + s(5)), Some(Act::Ask(1)));
    assert_eq!(watch.poll_act(now + s(10)), Some(Act::Ask(2)));
    assert!(!watch.handle_answer(3), "not asked yet");
    assert!(watch.handle_answer(1));
    assert!(!watch.handle_answer(1), "twice");
    // The second is still open: two more, not three.
    assert_eq!(watch.poll_act(now + s(15)), Some(Act::Ask(3)));
    assert_eq!(watch.poll_act(now + s(20)), Some(Act::Ask(4)));
    assert_eq!(watch.poll_act(now + s(25)), Some(Act::Kill));
    watch.handle_loss(now + s(25));
    watch.handle_start(now + s(25));
    assert!(!watch.handle_answer(4), "of a predecessor");
}

#[test]
fn a_pause_of_the_parent_is_not_held_against_the_child() {
    let now = clock::now();
    let mut watch = running(now);
    assert_eq!(watch.poll_act(now + s(3600)), Some(Act::Ask(1)));
    assert_eq!(watch.poll_act(now + s(3600)), None, "no burst");
    watch.excuse();
    for (at, number) in [(3605, 2), (3610, 3), (3615, 4)] {
        assert_eq!(watch.poll_act(now + s(at)), Some(Act::Ask(number)));
    }
}

#[test]
fn starts_are_further_apart_until_one_ran_well() {
    let mut now = clock::now();
    let mut watch = Watch::new(LIMITS);
    for pause in [0, 1, 2, 4, 8, 16, 32, 60, 60] {
        watch.handle_start(now);
        watch.handle_connected(now);
        now += s(1);
        assert_eq!(watch.handle_loss(now), s(pause));
    }
    watch.handle_start(now);
    watch.handle_connected(now);
    now += s(60);
    assert_eq!(watch.handle_loss(now), s(0));
    // One that could not even be started did not run at all.
    watch.handle_start(now);
    assert_eq!(watch.handle_loss(now + s(100)), s(1));
}

#[test]
fn adoption_is_permitted_twice_a_minute() {
    let now = clock::now();
    let mut watch = Watch::new(LIMITS);
    for (at, permitted) in [
        (0, true),
        (30, true),
        (59, false),
        (60, true),
        (61, false),
        (90, true),
    ] {
        assert_eq!(watch.permit_adoption(now + s(at)), permitted, "{at} s");
    }
}

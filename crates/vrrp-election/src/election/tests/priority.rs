//! A priority that is changed while the router runs.

use locum_vrrp_wire::Priority;

use super::support::{ABOVE, BELOW, Router, advert, config, delayed, ms, ns};
use crate::interface::{Input, Link, Rejected, State, Timer};

fn set(priority: u8) -> Input {
    Input::SetPriority(Priority::new(priority))
}

#[test]
fn before_the_start_and_in_a_fault_it_counts_from_the_next_moment_as_backup() {
    let mut router = Router::ready(config(100));
    router.does(set(254));
    router.does(Input::Startup);
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_007_812_500)));
    router.does(Input::Link(Link::Down));
    router.does(set(1));
    router.does(Input::Link(Link::Up));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_996_093_750)));
}

#[test]
fn a_backup_waits_with_the_new_skew_from_where_it_was() {
    let mut router = Router::started(config(100));
    router.pass(ms(500)).does(advert(ABOVE, 255));
    router.pass(ms(250)).does(set(254));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(2_757_812_500)));
    router.does(advert(ABOVE, 0));
    router.pass(ms(1)).does(set(128));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ms(499)));
}

#[test]
fn a_backup_that_becomes_better_than_its_master_preempts_it() {
    let mut router = Router::started(config(100));
    router.does(advert(ABOVE, 150));
    router.does(set(200));
    for _ in 0..3 {
        router.run(ms(1000));
        router.does(advert(ABOVE, 150));
    }
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("Preempting MasterLesser"));
}

#[test]
fn a_backup_that_becomes_lesser_than_its_master_leaves_it_alone() {
    let mut router = Router::started(config(200));
    for _ in 0..3 {
        router.pass(ms(1000)).does(advert(ABOVE, 150));
    }
    router.pass(ms(100)).does(set(100));
    // 3.609375 s after its last advertisement, and not after the last one that had been accepted.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_509_375_000)));

    let mut router = Router::started(config(200).preempt(delayed(ms(2000))));
    router.does(advert(ABOVE, 150));
    router.does(set(100));
    assert_eq!(router.due_in(Timer::PreemptDelay), None);
}

#[test]
fn a_preemptor_that_becomes_lesser_lets_go() {
    let mut router = Router::started(config(200));
    router.pass(ms(3000)).does(advert(ABOVE, 150));
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.state(), State::Preempting);
    assert_eq!(router.says(set(160)), "");
    assert_eq!(
        router.says(set(150)),
        "Release, Preempting→Backup Outranked"
    );
    assert_eq!(router.says(Input::Timeout), "");
}

#[test]
fn a_master_says_its_new_priority_at_once() {
    let mut router = Router::master(config(100));
    router.pass(ms(300));
    assert_eq!(router.says(set(50)), "Advertise 50");
    assert_eq!(router.due_in(Timer::Advertise), Some(ms(1000)));
    assert_eq!(router.says(set(50)), "");
    assert_eq!(router.says(advert(BELOW, 49)), "Advertise 50, Announce");
    assert!(router.says(advert(BELOW, 51)).ends_with("Outranked"));
}

#[test]
fn a_leaving_router_keeps_saying_that_it_stops() {
    let mut router = Router::master(config(100));
    router.pass(ms(100)).does(Input::Shutdown);
    assert_eq!(router.says(set(50)), "");
    router.until(Timer::Advertise);
    assert_eq!(router.timeout(), "Advertise 0");
}

#[test]
fn an_owner_stays_owner_and_nobody_becomes_one_or_stops_by_priority() {
    for (ours, new) in [(100, 0), (100, 255), (255, 100), (255, 255)] {
        let mut router = Router::started(config(ours));
        assert_eq!(router.tries(set(new)), Err(Rejected::Priority));
        assert_eq!(router.election.priority(), Priority::new(ours));
    }
}

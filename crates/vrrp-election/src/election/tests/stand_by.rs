//! Leaving mastership to others.

use core::time::Duration;

use super::support::{ABOVE, BELOW, Router, advert, config, delayed, ms};
use crate::interface::{Input, Link, Rejected, State, Timer};

const ON: Input = Input::StandBy { time: None };

fn for_secs(secs: u64) -> Input {
    Input::StandBy {
        time: Some(Duration::from_secs(secs)),
    }
}

#[test]
fn a_master_hands_over_and_does_not_come_back() {
    let mut router = Router::master(config(150));
    assert_eq!(router.says(ON), "Advertise 0, Master→Leaving StandBy");
    router.pass(ms(700));
    assert_eq!(router.says(advert(BELOW, 100)), "");
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Backup Succeeded");
    for _ in 0..100 {
        router.pass(ms(1000));
        assert_eq!(router.says(advert(BELOW, 100)), "");
    }
    assert_eq!(router.state(), State::Backup);
    assert!(router.election.stands_by());
}

#[test]
fn without_a_successor_it_stays_master() {
    let mut router = Router::master(config(150));
    router.does(ON);
    let log = router.run(Duration::from_secs(5));
    assert_eq!(router.state(), State::Master);
    assert!(router.election.stands_by());
    assert!(
        log.iter()
            .all(|(_, action)| *action != crate::interface::Action::Release)
    );
}

#[test]
fn it_takes_over_where_there_is_no_master_at_all() {
    let mut router = Router::started(config(150));
    router.does(advert(BELOW, 100));
    router.does(ON);
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("Backup→Master MasterSilent"));
    let mut router = Router::started(config(150));
    router.does(ON);
    router.does(advert(BELOW, 100));
    router.does(advert(BELOW, 0));
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("Backup→Master MasterStopped"));
}

#[test]
fn it_lapses_and_then_preempts_as_configured() {
    let mut router = Router::started(config(150));
    router.does(for_secs(10));
    for _ in 0..10 {
        router.does(advert(BELOW, 100));
        router.run(ms(1000));
    }
    assert_eq!(router.state(), State::Backup);
    assert!(!router.election.stands_by());
    for _ in 0..4 {
        router.does(advert(BELOW, 100));
        router.run(ms(1000));
    }
    assert_eq!(router.state(), State::Master);
}

#[test]
fn after_it_has_lapsed_the_preempt_delay_begins() {
    let mut router = Router::started(config(150).preempt(delayed(ms(5000))));
    router.does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(5000)));
    router.does(for_secs(1));
    assert_eq!(router.due_in(Timer::PreemptDelay), None);
    router.run(ms(1000));
    router.does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(5000)));
}

#[test]
fn no_time_at_all_ends_it() {
    let mut router = Router::started(config(150));
    router.does(ON);
    router.does(for_secs(0));
    assert!(!router.election.stands_by());
    // Nor does it make a Master hand over.
    let mut router = Router::master(config(150));
    assert_eq!(router.says(for_secs(0)), "");
}

#[test]
fn the_last_word_counts() {
    let mut router = Router::started(config(150));
    router.does(for_secs(5));
    router.does(for_secs(50));
    assert_eq!(router.due_in(Timer::StandBy), Some(Duration::from_secs(50)));
    router.does(ON);
    assert_eq!(router.due_in(Timer::StandBy), None);
    assert!(router.election.stands_by());
}

#[test]
fn who_is_about_to_preempt_does_not() {
    let mut router = Router::started(config(150));
    router.does(advert(BELOW, 100));
    for _ in 0..3 {
        router.pass(ms(1000));
        router.does(advert(BELOW, 100));
    }
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.state(), State::Preempting);
    assert_eq!(router.says(ON), "Release, Preempting→Backup StandBy");
    router.does(advert(BELOW, 100));
    router.run(ms(3000));
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn an_owner_stands_by_like_any_other() {
    let mut router = Router::started(config(255));
    assert_eq!(router.state(), State::Master);
    router.does(for_secs(10));
    router.does(advert(BELOW, 100));
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Backup Succeeded");
    for _ in 0..8 {
        router.does(advert(BELOW, 100));
        router.run(ms(1000));
    }
    assert_eq!(router.state(), State::Backup);
    for _ in 0..6 {
        router.does(advert(BELOW, 100));
        router.run(ms(1000));
    }
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_better_master_is_followed_all_the_same() {
    let mut router = Router::master(config(150));
    router.does(ON);
    router.run(Duration::from_secs(5));
    assert!(router.says(advert(ABOVE, 200)).ends_with("Outranked"));
}

#[test]
fn in_fault_it_is_kept_and_a_stop_ends_it() {
    let mut router = Router::master(config(150));
    router.does(Input::Link(Link::Down));
    router.does(for_secs(100));
    router.does(Input::Link(Link::Up));
    assert!(router.election.stands_by());
    router.does(Input::Shutdown);
    assert!(!router.election.stands_by());
    assert_eq!(router.election.poll_timeout(), None);
    assert_eq!(router.tries(ON), Err(Rejected::NotRunning));
}

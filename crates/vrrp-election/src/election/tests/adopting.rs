//! Taking the place of a process that died as Master.

use core::num::NonZeroU8;
use core::time::Duration;

use super::support::{ABOVE, BELOW, OURS, Router, advert, config, ms, v3};
use crate::config::{Config, LeasePolicy};
use crate::interface::{Input, Link, State, Timer, Tracking};

fn adopts(config: Config, age: u64) -> (Router, String) {
    let mut router = Router::ready(config);
    let said = router.says(Input::Adopt { age: ms(age) });
    (router, said)
}

#[test]
fn it_is_master_at_once() {
    let (mut router, said) = adopts(config(150), 1999);
    assert_eq!(
        said,
        "Advertise 150, Hold 1 +5s, Announce, Initialize→Master Adopted"
    );
    router.held();
    assert_eq!(router.advertises(ms(3500)), [1000, 2000, 3000]);
}

#[test]
fn from_two_intervals_on_it_starts_as_usual() {
    for age in [2000, 2001, 100_000, u64::MAX] {
        let (router, said) = adopts(config(150), age);
        assert_eq!(said, "Initialize→Backup Started", "{age}");
        assert!(!router.election.is_adopting(router.now));
    }
}

#[test]
fn a_backup_that_waits_for_one_advert_alone_may_have_taken_over_after_one() {
    let quick = config(150).missed_adverts(NonZeroU8::MIN);
    assert!(adopts(quick, 999).1.ends_with("Adopted"));
    assert!(adopts(quick, 1000).1.ends_with("Started"));
}

#[test]
fn the_startup_delay_is_for_whoever_was_not_master() {
    let delayed = config(150).startup_delay(Duration::from_secs(60));
    assert!(adopts(delayed, 100).1.ends_with("Adopted"));
    let (router, _) = adopts(delayed, 5000);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn an_owner_adopts_too() {
    assert!(adopts(config(255), 100).1.ends_with("Adopted"));
    assert!(adopts(config(255), 5000).1.ends_with("Owner"));
}

#[test]
fn what_is_missing_may_come_within_the_two_intervals() {
    let mut router = Router::ready(config(150));
    router.does(Input::Link(Link::Down));
    let age = ms(500);
    assert_eq!(router.says(Input::Adopt { age }), "Initialize→Fault Faulty");
    assert_eq!(router.due_in(Timer::Adopt), Some(ms(1500)));
    let mut late = router.clone();
    router.pass(ms(1499));
    assert!(
        router
            .says(Input::Link(Link::Up))
            .ends_with("Fault→Master Adopted")
    );
    assert_eq!(router.due_in(Timer::Adopt), None);

    late.pass(ms(1500));
    assert_eq!(late.says(Input::Link(Link::Up)), "Fault→Backup Recovered");
}

#[test]
fn too_late_a_timeout_changes_nothing() {
    let mut router = Router::ready(config(150));
    router.does(Input::Source(None));
    router.does(Input::Adopt { age: ms(0) });
    router.until(Timer::Adopt);
    assert_eq!(router.timeout(), "");
    assert_eq!(router.election.poll_timeout(), None);
    assert_eq!(
        router.says(Input::Source(Some(OURS))),
        "Fault→Backup Recovered"
    );
}

#[test]
fn tracking_that_fails_keeps_it_from_adopting() {
    let mut router = Router::ready(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    router.does(Input::Adopt { age: ms(0) });
    assert_eq!(router.state(), State::Fault);
}

#[test]
fn a_better_master_is_followed_and_a_lesser_one_answered() {
    let (mut router, _) = adopts(config(150), 100);
    router.pass(ms(100));
    assert_eq!(router.says(advert(BELOW, 100)), "Advertise 150, Announce");
    assert_eq!(
        router.says(advert(ABOVE, 200)),
        "Advertise 150, Master→Backup Outranked"
    );
}

#[test]
fn it_is_started_once() {
    let mut router = Router::started(config(150));
    assert_eq!(router.says(Input::Adopt { age: ms(0) }), "");
    assert_eq!(router.state(), State::Backup);
    // Nor does a leaver begin to adopt.
    let mut router = Router::master(config(150));
    router.does(Input::Shutdown);
    assert_eq!(router.says(Input::Adopt { age: ms(0) }), "");
    assert_eq!(router.due_in(Timer::Adopt), None);
}

#[test]
fn it_stops_as_anybody_does() {
    let mut router = Router::ready(config(150));
    router.does(Input::Link(Link::Down));
    router.does(Input::Adopt { age: ms(0) });
    assert_eq!(router.says(Input::Shutdown), "Fault→Initialize Stopped");
    assert_eq!(router.election.poll_timeout(), None);
}

#[test]
fn the_interval_that_counts_is_its_own() {
    let slow = Config::new(v3(1000), config(150).priority())
        .expect("a priority")
        .lease(LeasePolicy::Off)
        .expect("no lease");
    assert_eq!(
        adopts(slow, 19_999).1,
        "Advertise 150, Hold 1, Announce, Initialize→Master Adopted"
    );
}

//! More than one Master.

use core::time::Duration;

use super::support::{ABOVE, BELOW, Router, advert, config, ms, ns};
use crate::interface::{Action, State, Timer};

#[test]
fn on_equal_priority_the_higher_address_stays() {
    let mut router = Router::master(config(150));
    assert_eq!(router.says(advert(BELOW, 150)), "Advertise 150");
    assert_eq!(router.state(), State::Master);
    let yields = router.says(advert(ABOVE, 150));
    assert_eq!(yields, "Advertise 150, Master→Backup Outranked");
}

#[test]
fn of_two_owners_the_higher_address_stays() {
    let mut router = Router::started(config(255));
    assert_eq!(router.state(), State::Master);
    router.does(advert(BELOW, 255));
    assert_eq!(router.state(), State::Master);
    router.does(advert(ABOVE, 255));
    assert_eq!(router.state(), State::Backup);
    // And comes back when the other one falls silent: 3 × 1 s and 1/256 s.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_003_906_250)));
    // Every advertisement of the other one is accepted.
    router.pass(ms(2900)).does(advert(ABOVE, 255));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_003_906_250)));
}

#[test]
fn of_two_owners_with_a_startup_delay_the_lower_address_stays_backup() {
    let mut router = Router::master(config(255).startup_delay(ms(10_000)));
    router.pass(ms(900)).does(advert(ABOVE, 255));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_003_906_250)));
    for _ in 0..10 {
        router.run(ms(1000));
        router.does(advert(ABOVE, 255));
        assert_eq!(router.state(), State::Backup);
    }
}

#[test]
fn a_master_that_yields_is_heard_once_more_and_answers_for_a_moment() {
    // After a partition the better one may never have heard of its rival; the parting advertisement makes it announce.
    let mut router = Router::master(config(100).addresses(20));
    router.run(ms(10_500));
    let yields = router.says(advert(ABOVE, 150));
    assert_eq!(yields, "Advertise 100, Master→Backup Outranked");
    assert_eq!(router.due_in(Timer::Linger), Some(ms(60)));
    assert_eq!(router.due_in(Timer::Announce), None);
    assert_eq!(router.due_in(Timer::Advertise), None);

    let mut better = Router::master(config(150));
    better.run(ms(10_500));
    assert_eq!(better.says(advert(BELOW, 100)), "Advertise 150, Announce");
}

#[test]
fn its_lease_is_renewed_however_long_it_answers() {
    // 0.5 ms for each of 12,000 addresses and 50 ms: longer than the lease.
    let config = config(100).addresses(12_000);
    let lease = config.lease_duration().expect("leased");
    let mut router = Router::master(config);
    router.run(ms(900));
    router.does(advert(ABOVE, 150));
    assert!(router.due_in(Timer::Linger) > Some(lease));
    for _ in 0..10 {
        for (_, action) in router.run(ms(1000)) {
            assert!(matches!(action, Action::Hold { .. } | Action::Release));
        }
        router.does(advert(ABOVE, 150));
    }
    assert_eq!(router.election.holds(), None);
    assert_eq!(router.election.stats().leases_lapsed, 0);
}

#[test]
fn a_flood_of_lesser_advertisements_is_not_answered_by_a_flood() {
    for priority in [0, 100] {
        let mut router = Router::master(config(150));
        let (mut adverts, mut announcements) = (0, 0);
        for _ in 0..10_000 {
            let mut actions = router.pass(ms(1)).serve();
            actions.extend(router.does(advert(BELOW, priority)));
            for action in actions {
                adverts += u32::from(matches!(action, Action::Advertise(_)));
                announcements += u32::from(action == Action::Announce);
            }
        }
        // Ten seconds: one in turn and one out of turn for each, and 20 rounds of announcements.
        assert!((10..=20).contains(&adverts), "{adverts}");
        assert!((150..=200).contains(&announcements), "{announcements}");
    }
}

#[test]
fn a_rival_is_answered_at_once_but_once_in_an_interval() {
    let mut router = Router::master(config(150));
    router.run(ms(2100));
    assert!(router.says(advert(BELOW, 100)).starts_with("Advertise 150"));
    router.pass(ms(999));
    assert_eq!(router.says(advert(BELOW, 100)), "Announce");
    router.pass(ms(1));
    assert_eq!(router.says(advert(BELOW, 100)), "Advertise 150");
    assert_eq!(router.election.stats().lesser_masters_heard, 3);
}

#[test]
fn a_master_is_never_silent_for_longer_than_its_interval_whatever_it_hears() {
    let mut router = Router::master(config(150));
    let mut last = router.now;
    for step in 0..5000_u32 {
        let mut actions = router.pass(ms(u64::from(step * 7919 % 13))).serve();
        actions.extend(router.does(advert(BELOW, (step % 150) as u8)));
        if actions
            .iter()
            .any(|action| matches!(action, Action::Advertise(_)))
        {
            let gap = router.now - last;
            assert!(gap <= Duration::from_secs(1) + ms(12), "{gap:?}");
            last = router.now;
        }
    }
}

//! Another configuration while it runs.

use core::num::NonZeroU8;
use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};

use super::support::{ABOVE, BELOW, Router, advert, advert_every, config, delayed, ms, ns, v2, v3};
use crate::config::{AnnounceSchedule, Config, LeasePolicy, Preempt};
use crate::interface::{Input, Link, Rejected, State, Timer};

fn every(interval: AdvertInterval) -> Config {
    Config::new(interval, Priority::new(150)).expect("a priority")
}

#[test]
fn the_same_again_changes_nothing() {
    let mut router = Router::master(config(150));
    router.pass(ms(300));
    let before = router.clone();
    assert_eq!(router.says(Input::Reconfigure(config(150))), "");
    for timer in [Timer::Advertise, Timer::Announce, Timer::Renew] {
        assert_eq!(router.due_in(timer), before.due_in(timer));
    }
}

#[test]
fn another_version_or_ownership_is_another_router() {
    for router in [Router::ready(config(150)), Router::master(config(150))] {
        let mut router = router;
        let v2 = every(v2(1));
        assert_eq!(router.tries(Input::Reconfigure(v2)), Err(Rejected::Version));
        let owner = config(255);
        assert_eq!(
            router.tries(Input::Reconfigure(owner)),
            Err(Rejected::Priority)
        );
        assert_eq!(*router.election.config(), config(150));
    }
    let mut owner = Router::started(config(255));
    assert_eq!(
        owner.tries(Input::Reconfigure(config(150))),
        Err(Rejected::Priority)
    );
}

#[test]
fn before_the_start_it_is_simply_another() {
    let mut router = Router::ready(config(150));
    assert_eq!(router.says(Input::Reconfigure(config(90))), "");
    router.does(Input::Startup);
    assert_eq!(router.election.priority(), Priority::new(90));
    // Three intervals and (256 - 90) / 256 of a second.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_648_437_500)));
}

#[test]
fn a_shorter_interval_counts_from_the_last_advertisement() {
    let mut router = Router::master(config(150));
    router.pass(ms(30));
    // The lease of 0.1 s.
    assert_eq!(router.says(Input::Reconfigure(every(v3(10)))), "Hold 1 +3s");
    assert_eq!(router.advertises(ms(300)), [70, 170, 270]);
}

#[test]
fn an_advertisement_that_is_overdue_by_the_shorter_interval_is_due_now() {
    let mut router = Router::master(config(150));
    router.pass(ms(600));
    router.does(Input::Reconfigure(every(v3(10))));
    assert_eq!(router.advertises(ms(250)), [0, 100, 200]);
}

#[test]
fn a_longer_interval_begins_with_the_advertisement_that_was_due() {
    let mut router = Router::master(config(150));
    router.pass(ms(400));
    // The lease first.
    assert_eq!(
        router.says(Input::Reconfigure(every(v3(1000)))),
        "Hold 1 +41s"
    );
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.advertises(ms(25_000)), [600, 10_600, 20_600]);
}

#[test]
fn a_lease_comes_and_goes() {
    let off = config(150).lease(LeasePolicy::Off).expect("none");
    let mut router = Router::master(config(150));
    assert_eq!(router.says(Input::Reconfigure(off)), "Hold 1");
    assert_eq!(router.due_in(Timer::Renew), None);
    router.pass(Duration::from_secs(1));
    assert_eq!(router.says(Input::Reconfigure(config(150))), "Hold 1 +5s");
    assert_eq!(router.due_in(Timer::Renew), Some(Duration::from_secs(1)));
}

#[test]
fn another_priority_is_advertised_at_once() {
    let mut router = Router::master(config(150));
    router.pass(ms(100));
    assert_eq!(router.says(Input::Reconfigure(config(90))), "Advertise 90");
    assert_eq!(router.due_in(Timer::Advertise), Some(ms(1000)));
}

#[test]
fn a_priority_that_was_set_stays() {
    let mut router = Router::master(config(150));
    router.does(Input::SetPriority(Priority::new(70)));
    assert_eq!(router.says(Input::Reconfigure(config(90))), "");
    assert_eq!(router.election.priority(), Priority::new(70));
    router.does(Input::SetPriority(Priority::new(90)));
    router.does(Input::Reconfigure(config(100)));
    assert_eq!(router.election.priority(), Priority::new(100));
}

#[test]
fn a_backup_goes_on_watching_with_the_interval_that_it_has_learned() {
    let mut router = Router::started(config(100));
    router.does(advert(ABOVE, 200));
    router.pass(ms(900));
    router.does(Input::Reconfigure(every(v3(10)).addresses(2)));
    assert_eq!(router.state(), State::Backup);
    // Three intervals and (256 - 150) / 256 of a second, since it was heard.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(2_514_062_500)));
}

#[test]
fn a_backup_that_has_learned_none_waits_by_the_new_one() {
    let mut router = Router::started(config(150));
    router.pass(ms(2000));
    router.does(Input::Reconfigure(every(v3(10))));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(341_406_250)));
    // In version 2 it is the same on all machines.
    let mut router = Router::started(every(v2(1)));
    router.does(advert_every(ABOVE, 200, v2(1)));
    router.does(Input::Reconfigure(every(v2(2))));
    assert_eq!(
        router.tries(advert_every(ABOVE, 200, v2(1))),
        Err(Rejected::Interval {
            theirs: v2(1),
            ours: v2(2)
        })
    );
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(6_414_062_500)));
}

#[test]
fn missed_adverts_count_from_the_last_that_was_heard() {
    let mut router = Router::started(config(150));
    router.does(advert(ABOVE, 200));
    router.pass(ms(500));
    let five = config(150).missed_adverts(NonZeroU8::new(5).expect("not zero"));
    router.does(Input::Reconfigure(five));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(4_914_062_500)));
}

#[test]
fn a_lesser_master_is_preempted_no_more() {
    let mut router = Router::started(config(150));
    router.does(advert(BELOW, 100));
    router.pass(ms(1000));
    router.does(advert(BELOW, 100));
    router.pass(ms(500));
    router.does(Input::Reconfigure(config(150).preempt(Preempt::Forbid)));
    // Since it was heard last.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(2_914_062_500)));
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("Backup→Master MasterSilent"));
}

#[test]
fn a_preempt_delay_that_runs_becomes_another() {
    let with = |delay| config(150).preempt(delayed(ms(delay)));
    let mut router = Router::started(with(60_000));
    router.does(advert(BELOW, 100));
    for _ in 0..10 {
        router.pass(ms(1000));
        router.does(advert(BELOW, 100));
    }
    router.does(Input::Reconfigure(with(15_000)));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(5000)));
    router.does(Input::Reconfigure(with(0)));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(0)));
    assert!(router.timeout().ends_with("Backup→Preempting MasterLesser"));

    let mut router = Router::started(with(60_000));
    router.does(advert(BELOW, 100));
    router.does(Input::Reconfigure(config(150).preempt(Preempt::Forbid)));
    assert_eq!(router.due_in(Timer::PreemptDelay), None);
    router.does(Input::Reconfigure(with(2000)));
    router.does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(2000)));
}

#[test]
fn a_startup_delay_that_runs_becomes_another() {
    let with = |delay| config(150).startup_delay(ms(delay));
    let mut router = Router::started(with(60_000));
    router.pass(ms(3000));
    router.does(Input::Reconfigure(with(10_000)));
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.state(), State::Backup);
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(6_585_937_500)));
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.state(), State::Master);
}

#[test]
fn announcements_follow_the_new_schedule() {
    let mut router = Router::master(config(150));
    let schedule = AnnounceSchedule {
        again_after: None,
        refresh: Some(Duration::from_secs(10)),
    };
    router.run(Duration::from_secs(20));
    router.does(Input::Reconfigure(config(150).announce(schedule)));
    assert_eq!(router.announces(Duration::from_secs(25)), [10_000, 20_000]);
}

#[test]
fn new_addresses_are_announced_by_a_master_alone() {
    let mut router = Router::master(config(150));
    router.run(Duration::from_secs(10));
    assert_eq!(router.says(Input::Announce), "Announce");
    assert_eq!(router.announces(ms(1200)), [50, 150, 500, 1000]);
    let mut router = Router::started(config(150));
    assert_eq!(router.says(Input::Announce), "");
}

#[test]
fn in_fault_it_is_taken_in_for_later() {
    let mut router = Router::master(config(150));
    router.does(Input::Link(Link::Down));
    assert_eq!(router.says(Input::Reconfigure(every(v3(10)))), "");
    router.does(Input::Link(Link::Up));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(341_406_250)));
}

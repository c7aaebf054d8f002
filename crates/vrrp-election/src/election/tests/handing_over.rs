//! Planned moves: Leaving, lingering.

use core::time::Duration;

use locum_vrrp_wire::Priority;

use super::support::{ABOVE, BELOW, Router, advert, config, ms, ns, v2, v3};
use crate::config::Config;
use crate::interface::{Effect, Input, State, Timer, Tracking};

fn leaving(config: Config) -> Router {
    let mut router = Router::master(config);
    router.pass(ms(100)).does(Input::Shutdown);
    router
}

#[test]
fn a_leaver_waits_two_intervals_and_the_longest_skew_within_bounds() {
    for (interval, wait) in [
        (v3(1), ms(250)),
        (v3(10), ns(299_609_375)),
        (v3(100), ns(2_996_093_750)),
        (v2(1), ns(2_996_093_750)),
        (v2(2), ns(4_996_093_750)),
        (v2(3), ms(5000)),
        (v3(4095), ms(5000)),
    ] {
        let config = Config::new(interval, Priority::new(150)).expect("a priority");
        assert_eq!(leaving(config).due_in(Timer::Leave), Some(wait));
    }
}

#[test]
fn a_leaver_says_goodbye_once_more_if_nobody_takes_over_and_nothing_else() {
    let mut router = Router::master(config(150));
    let goodbye = router.pass(ms(100)).says(Input::Shutdown);
    assert_eq!(goodbye, "Advertise 0, Master→Leaving Stopped");
    assert_eq!(router.advertises(ms(60_000)), [1000]);
    assert_eq!(router.state(), State::Initialize);
    assert_eq!(router.election.holds(), None);
}

#[test]
fn a_leaver_answers_until_its_successor_had_time_for_its_addresses() {
    for (addresses, linger) in [(1, ns(50_500_000)), (20, ms(60)), (180, ms(140))] {
        let mut router = leaving(config(150).addresses(addresses));
        router.pass(ms(610)).does(advert(BELOW, 100));
        assert_eq!(router.due_in(Timer::Leave), Some(linger));
        // Not longer because it is heard again.
        router.pass(ms(10)).does(advert(BELOW, 100));
        assert_eq!(router.due_in(Timer::Leave), Some(linger - ms(10)));
        router.until(Timer::Leave);
        assert_eq!(router.timeout(), "Release, Leaving→Initialize Succeeded");
        assert_eq!(router.election.poll_timeout(), None);
    }
}

#[test]
fn a_master_whose_tracking_fails_hands_over_and_comes_back() {
    let mut router = Router::master(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    router.pass(ms(610)).does(advert(BELOW, 100));
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Fault Faulty");
    let back = router.says(Input::Tracking(Tracking::Recovered));
    assert_eq!(back, "Fault→Backup Recovered");
}

#[test]
fn a_master_whose_tracking_recovers_while_it_leaves_is_a_backup_then() {
    let mut router = Router::master(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    router.does(Input::Tracking(Tracking::Recovered));
    assert_eq!(router.state(), State::Leaving);
    router.pass(ms(610)).does(advert(BELOW, 100));
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Backup Succeeded");
}

#[test]
fn a_leaver_that_is_started_again_stays_master_if_nobody_took_over() {
    let mut router = leaving(config(150));
    router.does(Input::Startup);
    router.until(Timer::Leave);
    let again = "Advertise 150, Hold 2 +5s, Announce, Leaving→Master NoSuccessor";
    assert_eq!(router.timeout(), again);
    assert_eq!(router.advertises(ms(2500)), [1000, 2000]);
}

#[test]
fn a_leaver_that_is_started_again_is_a_backup_if_somebody_did() {
    let mut router = leaving(config(150));
    router.does(Input::Startup);
    router.does(advert(BELOW, 100));
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Backup Succeeded");
}

#[test]
fn a_successor_that_stops_in_its_turn_is_none() {
    let mut router = Router::master(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    router.does(Input::Tracking(Tracking::Recovered));
    router.pass(ms(610)).does(advert(BELOW, 100));
    router.pass(ms(10)).does(advert(BELOW, 0));
    // As long as a Master of this interval waits for its successor, and with a goodbye for whoever missed the first.
    assert_eq!(router.due_in(Timer::Leave), Some(ns(2_996_093_750)));
    assert_eq!(router.due_in(Timer::Advertise), Some(ms(1000)));
    router.until(Timer::Leave);
    assert!(router.timeout().ends_with("Leaving→Master NoSuccessor"));
    // Somebody else's goodbye does not count.
    let mut router = leaving(config(150));
    router.pass(ms(610)).does(advert(BELOW, 100));
    router.pass(ms(10)).does(advert(ABOVE, 0));
    assert_eq!(router.due_in(Timer::Leave), Some(ns(40_500_000)));
}

#[test]
fn a_leaver_that_recovers_and_fails_again_says_goodbye_again() {
    let mut router = Router::master(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    router
        .pass(ms(7))
        .does(Input::Tracking(Tracking::Recovered));
    router.pass(ms(800));
    let again = router.says(Input::Tracking(Tracking::Failed));
    assert_eq!(again, "Advertise 0");
    assert_eq!(router.due_in(Timer::Leave), Some(ns(2_996_093_750)));
    // It is no news that it still fails.
    assert_eq!(router.says(Input::Tracking(Tracking::Failed)), "");
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Fault Faulty");
}

#[test]
fn a_short_fault_that_nobody_took_over_for_leaves_no_gap() {
    let mut router = Router::master(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    router
        .pass(ms(7))
        .does(Input::Tracking(Tracking::Recovered));
    let log = router.run(ms(10_000));
    assert_eq!(router.state(), State::Master);
    let released = |(_, action): &(_, _)| *action == crate::interface::Action::Release;
    assert!(!log.iter().any(released), "{log:?}");
}

#[test]
fn a_leaver_that_is_started_again_with_a_startup_delay_lets_go() {
    let delayed = config(150).startup_delay(Duration::from_secs(60));
    let mut router = Router::started(delayed);
    router.pass(Duration::from_secs(60)).timeout();
    router.until(Timer::MasterDown);
    router.timeout();
    router.held();
    router.does(Input::Shutdown);
    router.does(Input::Startup);
    router.until(Timer::Leave);
    assert_eq!(router.timeout(), "Release, Leaving→Backup NoSuccessor");
}

#[test]
fn a_second_shutdown_does_not_wait() {
    let mut router = leaving(config(150));
    let gone = router.says(Input::Shutdown);
    assert_eq!(gone, "Release, Leaving→Initialize NoSuccessor");
    // One that leaves for another reason is told to stop for the first time.
    let mut router = Router::master(config(150));
    router.does(Input::Tracking(Tracking::Failed));
    assert_eq!(router.says(Input::Shutdown), "");
    assert_eq!(router.state(), State::Leaving);
}

#[test]
fn a_master_that_is_outranked_lingers_and_may_take_over_again() {
    let mut router = Router::master(config(150));
    router.does(advert(ABOVE, 200));
    assert_eq!(router.due_in(Timer::Linger), Some(ns(50_500_000)));
    router.until(Timer::Linger);
    assert_eq!(router.timeout(), "Release");
    assert_eq!(router.election.holds(), None);
}

#[test]
fn a_lingering_backup_that_takes_over_again_keeps_its_addresses() {
    let fast = Config::new(v3(1), Priority::new(150)).expect("a priority");
    let mut router = Router::master(fast);
    let theirs = |priority| super::support::advert_every(ABOVE, priority, v3(1));
    router.does(theirs(200));
    router.pass(ms(1)).does(theirs(0));
    router.until(Timer::MasterDown);
    let taken_over = router.timeout();
    assert_eq!(
        taken_over,
        "Advertise 150, Hold 2 +3s, Announce, Backup→Master MasterStopped"
    );
    let log = router.run(ms(500));
    assert!(
        !log.iter()
            .any(|(_, action)| *action == crate::interface::Action::Release)
    );
}

#[test]
fn a_live_master_whose_lease_lapsed_says_so() {
    // The process lives, the address task was too slow: others would wait for three intervals.
    let mut router = Router::master(config(150));
    router.run(ms(1500));
    let (id, _) = router.election.holds().expect("held");
    let lapsed = router.says(Input::Effect(Effect::HoldLapsed(id)));
    assert_eq!(lapsed, "Advertise 0, Release, Master→Backup LeaseLapsed");
    assert_eq!(
        router.due_in(Timer::MasterDown),
        Some(Duration::from_nanos(3_414_062_500))
    );
}

//! When the neighbours are told.

use core::time::Duration;

use super::support::{BELOW, Router, advert, config, ms};
use crate::config::{AnnounceSchedule, LeasePolicy};
use crate::interface::{Input, Timer};

const MINUTE: Duration = Duration::from_secs(60);

fn schedule(again_after: Option<Duration>, refresh: Option<Duration>) -> Router {
    Router::master(config(150).announce(AnnounceSchedule {
        again_after,
        refresh,
    }))
}

#[test]
fn a_new_master_announces_five_times_in_a_second_and_twice_more_and_every_minute() {
    let mut router = Router::started(config(150));
    router.until(Timer::MasterDown);
    let taken_over = router.timeout();
    assert_eq!(
        taken_over,
        "Advertise 150, Hold 1 +5s, Announce, Backup→Master MasterSilent"
    );
    assert_eq!(
        router.announces(2 * MINUTE),
        [50, 150, 500, 1000, 5000, 6500, 66_500]
    );
}

/// Until then the kernel of a Master that was killed answers, and a client may have asked it last.
#[test]
fn it_announces_when_the_lease_of_a_dead_master_has_ended() {
    let times = |lease| {
        let config = config(150).lease(lease).expect("long enough");
        Router::master(config).announces(MINUTE)
    };
    let twenty = LeasePolicy::Fixed(Duration::from_secs(20));
    assert_eq!(times(twenty), [50, 150, 500, 1000, 5000, 21_500]);
    assert_eq!(times(LeasePolicy::Off), [50, 150, 500, 1000, 5000]);
}

#[test]
fn the_repetition_can_be_set_or_left_out() {
    let burst = [50, 150, 500, 1000, 6500];
    assert_eq!(schedule(None, None).announces(MINUTE), burst);
    let again = schedule(Some(ms(30_000)), None).announces(MINUTE);
    assert_eq!(again, [50, 150, 500, 1000, 6500, 30_000]);
    // Within the burst it is part of it.
    assert_eq!(schedule(Some(ms(400)), None).announces(MINUTE), burst);
    assert_eq!(
        schedule(None, Some(Duration::ZERO)).announces(MINUTE),
        burst
    );
}

#[test]
fn it_announces_for_ever_where_that_is_configured() {
    let mut router = schedule(Some(ms(5000)), Some(ms(20_000)));
    let times = router.announces(MINUTE + ms(6000));
    assert_eq!(times, [50, 150, 500, 1000, 5000, 6500, 26_500, 46_500]);
    let mut router = schedule(None, Some(ms(20_000)));
    assert_eq!(
        router.announces(MINUTE),
        [50, 150, 500, 1000, 6500, 26_500, 46_500]
    );
}

#[test]
fn a_lesser_master_makes_it_begin_again() {
    let mut router = Router::master(config(150));
    router.run(MINUTE);
    let answer = router.says(advert(BELOW, 100));
    assert_eq!(answer, "Advertise 150, Announce");
    assert_eq!(router.announces(MINUTE), [50, 150, 500, 1000, 5000, 6500]);
}

#[test]
fn the_last_announcement_comes_after_the_rivals_last_advertisement() {
    // keepalived lost 1.9 s here: both had announced, the lesser one last.
    for quiet_after in [1, 30, 49, 50, 51, 149, 500, 999, 3000] {
        let mut router = Router::master(config(150));
        router.does(advert(BELOW, 100));
        router.run(ms(quiet_after));
        router.does(advert(BELOW, 100));
        let times = router.announces(MINUTE);
        assert_eq!(times, [50, 150, 500, 1000, 5000, 6500], "{quiet_after} ms");
    }
}

#[test]
fn missed_announcements_are_not_made_up_for() {
    let mut router = Router::master(config(150));
    assert_eq!(router.pass(ms(600)).timeout(), "Announce");
    assert_eq!(router.announces(ms(1000)), [400]);
}

#[test]
fn a_router_that_is_no_longer_master_announces_nothing() {
    let mut router = Router::master(config(150));
    router.does(Input::Shutdown);
    assert_eq!(router.due_in(Timer::Announce), None);
    assert_eq!(router.announces(MINUTE), [0; 0]);
}

//! Skew time, master-down interval and lease, exact to the nanosecond.

use core::num::NonZeroU8;
use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};

use super::support::{ABOVE, BELOW, Router, advert_every, config, ms, ns, v2, v3};
use crate::config::{Config, ConfigError, LeasePolicy};
use crate::interface::{State, Timer};

fn backup(interval: AdvertInterval, priority: u8, missed: u8) -> Router {
    let config = Config::new(interval, Priority::new(priority)).expect("a priority");
    let missed = NonZeroU8::new(missed).expect("not zero");
    Router::started(config.missed_adverts(missed))
}

#[test]
fn skew_of_v2_is_a_part_of_a_second_whatever_the_interval() {
    // RFC 3768 §6.1: Skew_Time = (256 − Priority) / 256 s.
    for (seconds, priority, skew) in [
        (1, 1, ns(996_093_750)),
        (1, 100, ns(609_375_000)),
        (1, 150, ns(414_062_500)),
        (1, 254, ns(7_812_500)),
        (3, 100, ns(609_375_000)),
        (255, 254, ns(7_812_500)),
    ] {
        let mut router = backup(v2(seconds), priority, 3);
        let interval = Duration::from_secs(seconds.into());
        assert_eq!(router.due_in(Timer::MasterDown), Some(interval * 3 + skew));
        router.does(advert_every(ABOVE, 0, v2(seconds)));
        assert_eq!(router.due_in(Timer::MasterDown), Some(skew));
    }
}

#[test]
fn skew_of_v3_is_a_part_of_the_interval() {
    // RFC 9568 §6.1: Skew_Time = (256 − Priority) × Active_Adver_Interval / 256.
    for (centis, priority, skew) in [
        (1, 1, ns(9_960_937)),
        (1, 100, ns(6_093_750)),
        (1, 254, ns(78_125)),
        (10, 100, ns(60_937_500)),
        (100, 100, ns(609_375_000)),
        (100, 255, ns(3_906_250)),
        (4095, 1, ns(40_790_039_062)),
        (4095, 254, ns(319_921_875)),
    ] {
        let mut router = backup(v3(centis), priority.min(254), 3);
        if priority == 255 {
            assert_eq!(router.election.skew(Priority::OWNER), skew);
            continue;
        }
        let interval = ms(10) * u32::from(centis);
        assert_eq!(router.due_in(Timer::MasterDown), Some(interval * 3 + skew));
        router.does(advert_every(ABOVE, 0, v3(centis)));
        assert_eq!(router.due_in(Timer::MasterDown), Some(skew));
    }
}

#[test]
fn any_number_of_missed_adverts_is_waited_for() {
    for missed in 1..=255 {
        let skew = ns(60_937_500);
        let router = backup(v3(10), 100, missed);
        let down = ms(100) * u32::from(missed) + skew;
        assert_eq!(router.due_in(Timer::MasterDown), Some(down));
    }
}

#[test]
fn a_v3_backup_adopts_the_interval_of_its_master_and_its_own_again_as_master() {
    let mut router = backup(v3(10), 128, 3);
    router.does(advert_every(ABOVE, 200, v3(40)));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ms(3 * 400 + 200)));

    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.due_in(Timer::Advertise), Some(ms(100)));

    router.does(advert_every(ABOVE, 200, v3(20)));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ms(3 * 200 + 100)));
}

#[test]
fn the_automatic_lease_outlasts_the_take_over_and_a_renewal_period() {
    for (interval, missed, lease) in [
        (v3(1), 3, 3),
        (v3(10), 3, 3),
        (v3(50), 3, 3),
        (v3(51), 3, 4),
        (v3(100), 3, 5),
        (v2(1), 3, 5),
        (v2(1), 1, 3),
        (v3(101), 3, 6),
        (v3(4095), 3, 165),
        (v2(255), 255, 255 * 256 + 1),
    ] {
        let router = backup(interval, 100, missed);
        let lease = Some(Duration::from_secs(lease));
        assert_eq!(router.election.config().lease_duration(), lease);
    }
}

#[test]
fn a_fixed_lease_is_never_shorter_than_the_automatic_one() {
    let config = || Config::new(v3(100), Priority::new(100)).expect("a priority");
    let minimum = Duration::from_secs(5);
    let short = config().lease(LeasePolicy::Fixed(minimum - ns(1)));
    assert_eq!(short, Err(ConfigError::LeaseTooShort { minimum }));
    let exact = config().lease(LeasePolicy::Fixed(minimum)).expect("enough");
    assert_eq!(exact.lease_duration(), Some(minimum));
    // Set in the wrong order, it still is not too short.
    let later = exact.missed_adverts(NonZeroU8::MAX);
    assert_eq!(later.lease_duration(), Some(Duration::from_secs(257)));
    let off = config().lease(LeasePolicy::Off).expect("possible");
    assert_eq!(off.lease_duration(), None);
}

#[test]
fn the_last_words_of_a_quicker_master_do_not_shorten_the_wait_for_the_better_one() {
    let mut router = Router::started(config(100));
    router.does(advert_every(BELOW, 150, v3(1)));
    router.pass(ms(5));
    router.does(advert_every(ABOVE, 200, v3(100)));
    router.does(advert_every(BELOW, 150, v3(1)));
    // Three intervals and (256 - 100) / 256 of a second.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_609_375_000)));
    // Once the better one is no more, the other one is watched by its own.
    router.pass(ms(3605));
    router.does(advert_every(BELOW, 150, v3(1)));
    router.pass(ms(10));
    router.does(advert_every(BELOW, 150, v3(1)));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(36_093_750)));
}

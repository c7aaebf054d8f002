//! Two and three routers together. Bounds are theory: intervals, skew time and the constants of this crate.

mod lan;

use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};
use proptest::prelude::*;

use self::lan::{LATENCY, Lan};
use super::support::{ms, v2, v3};
use crate::config::{AnnounceSchedule, Config};
use crate::interface::{Input, State};

const MICRO: Duration = Duration::from_micros(1);

fn router(interval: AdvertInterval, priority: u8) -> Config {
    Config::new(interval, Priority::new(priority)).expect("a priority")
}

/// Everybody runs, and the best one is Master.
fn settled(interval: AdvertInterval, priorities: &[u8], addresses: u16, seed: u64) -> Lan {
    let config = |priority: &u8| router(interval, *priority).addresses(addresses);
    let configs: Vec<_> = priorities.iter().map(config).collect();
    let mut lan = Lan::new(&configs, seed);
    // A netlink batch of 128 addresses takes some milliseconds; here it is as slow as the overlap allows.
    lan.adding = Duration::from_micros(500) * u32::from(addresses);
    for router in 0..priorities.len() {
        lan.input(router, Input::Startup);
    }
    lan.run(down(interval, 1) * 2 + ms(2000), |_| {});
    assert_eq!(lan.masters(), [0]);
    assert_eq!(lan.owners(), [0]);
    lan
}

/// The longest master-down interval of a router with at least this priority.
fn down(interval: AdvertInterval, priority: u8) -> Duration {
    let one = interval.duration();
    one * 3 + skew(interval, priority)
}

fn skew(interval: AdvertInterval, priority: u8) -> Duration {
    let whole = if interval == v2(interval_seconds(interval)) {
        Duration::from_secs(1)
    } else {
        interval.duration()
    };
    whole * (256 - u32::from(priority)) / 256
}

fn interval_seconds(interval: AdvertInterval) -> u8 {
    u8::try_from(interval.duration().as_secs().max(1)).expect("short in these tests")
}

fn intervals() -> impl Strategy<Value = AdvertInterval> {
    prop_oneof![
        Just(v3(1)),
        Just(v3(10)),
        Just(v3(100)),
        Just(v2(1)),
        Just(v2(2))
    ]
}

fn one_serves(lan: &Lan) {
    assert_eq!(lan.masters().len(), 1, "{:?}", lan.masters());
    assert_eq!(lan.owners(), lan.masters());
    assert!(lan.client_is_served());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_planned_stop_leaves_no_gap(
        interval in intervals(), addresses in 1_u16..200, third in any::<bool>(), phase in 0_u64..2000, seed: u64,
    ) {
        let priorities: &[u8] = if third { &[150, 100, 50] } else { &[150, 100] };
        let mut lan = settled(interval, priorities, addresses, seed);
        lan.run(ms(phase), one_serves);
        lan.input(0, Input::Shutdown);
        lan.run(ms(10_000), |lan| assert!(lan.client_is_served()));
        one_serves(&lan);
        prop_assert_eq!(lan.masters(), [1]);
        prop_assert_eq!(lan.state(0), State::Initialize);
    }

    #[test]
    fn a_planned_stop_takes_the_skew_time(interval in intervals(), phase in 0_u64..2000, seed: u64) {
        let mut lan = settled(interval, &[150, 100, 50], 1, seed);
        lan.run(ms(phase), one_serves);
        lan.input(0, Input::Shutdown);
        lan.run(skew(interval, 100) + LATENCY - MICRO, |lan| assert_eq!(lan.state(1), State::Backup));
        lan.run(MICRO * 2, |_| {});
        prop_assert_eq!(lan.state(1), State::Master);
    }

    #[test]
    fn preemption_leaves_no_gap(
        interval in intervals(), addresses in 1_u16..200, phase in 0_u64..2000, seed: u64,
    ) {
        let mut lan = settled(interval, &[150, 100], addresses, seed);
        lan.input(0, Input::Shutdown);
        lan.run(ms(10_000), |lan| assert!(lan.client_is_served()));
        lan.run(ms(phase), one_serves);
        lan.input(0, Input::Startup);
        lan.run(down(interval, 150) + interval.duration() + ms(3000), |lan| {
            assert!(lan.client_is_served());
            assert!(!lan.masters().is_empty());
        });
        one_serves(&lan);
        prop_assert_eq!(lan.masters(), [0]);
    }

    #[test]
    fn a_dead_master_is_replaced_within_the_master_down_interval(
        interval in intervals(), third in any::<bool>(), phase in 0_u64..2000, seed: u64,
    ) {
        let priorities: &[u8] = if third { &[150, 100, 50] } else { &[150, 100] };
        let mut lan = settled(interval, priorities, 1, seed);
        lan.run(ms(phase), one_serves);
        lan.power_off(0);
        lan.run(interval.duration() * 2 + skew(interval, 100) - MICRO, |lan| {
            assert!(lan.masters().is_empty());
        });
        lan.run(interval.duration() + LATENCY + lan.adding + MICRO, |_| {});
        one_serves(&lan);
        prop_assert_eq!(lan.masters(), [1]);
    }

    #[test]
    fn a_freeze_shorter_than_the_lease_loses_nothing_when_it_ends(
        interval in intervals(), frozen in 1_u64..1999, who in 1_u8..4, phase in 0_u64..2000, seed: u64,
    ) {
        let mut lan = settled(interval, &[150, 100], 1, seed);
        lan.run(ms(phase), one_serves);
        // The kernel of a frozen Master answers on; whoever took over meanwhile answers too.
        freeze(&mut lan, who, ms(frozen), |lan| assert!(lan.client_is_served()));
        lan.run(interval.duration() + ms(200), |lan| assert!(lan.client_is_served()));
        lan.run(down(interval, 100), |lan| assert!(lan.client_is_served()));
        one_serves(&lan);
        prop_assert_eq!(lan.masters(), [0]);
    }

    #[test]
    fn after_a_freeze_longer_than_the_lease_there_is_one_owner_within_the_master_down_interval(
        interval in intervals(), frozen in 8000_u64..20_000, who in 1_u8..4, phase in 0_u64..2000, seed: u64,
    ) {
        let mut lan = settled(interval, &[150, 100], 1, seed);
        lan.run(ms(phase), one_serves);
        freeze(&mut lan, who, ms(frozen), |_| {});
        // And 70 ms at most if that ends with a preemption.
        lan.run(down(interval, 150) + ms(75), |_| {});
        one_serves(&lan);
        lan.run(down(interval, 150) * 2, |lan| assert!(lan.client_is_served()));
        prop_assert_eq!(lan.masters(), [0]);
    }

    #[test]
    fn when_a_partition_heals_the_client_reaches_the_one_that_stays(
        interval in intervals(), client_with in 0_u8..2, apart in 9000_u64..20_000, phase in 0_u64..2000, seed: u64,
    ) {
        let mut lan = settled(interval, &[150, 100], 1, seed);
        lan.run(ms(phase), one_serves);
        lan.side = vec![client_with, 1 - client_with];
        lan.run(ms(apart), |_| {});
        prop_assert_eq!(lan.masters(), [0, 1]);
        lan.side = vec![0, 0];
        lan.run(interval.duration() + ms(51) + LATENCY * 2, |lan| assert!(lan.client_is_served()));
        one_serves(&lan);
    }

    #[test]
    fn a_whole_network_has_one_master_whatever_came_before(
        interval in intervals(),
        priorities in prop::collection::vec(1_u8..=255, 2..4),
        troubles in prop::collection::vec((0_usize..3, 0_u8..6, 0_u64..4000), 0..30),
        seed: u64,
    ) {
        // A client that was cut off while a router became Master learns of it by the refresh only.
        let announce = AnnounceSchedule { again_after: None, refresh: Some(ms(1000)) };
        let config = |priority: &u8| router(interval, *priority).announce(announce);
        let configs: Vec<_> = priorities.iter().map(config).collect();
        let mut lan = Lan::new(&configs, seed);
        for (router, trouble, time) in troubles {
            let router = router % priorities.len();
            match trouble {
                0 => lan.input(router, Input::Startup),
                1 => lan.input(router, Input::Shutdown),
                2 => lan.freeze(router),
                3 => lan.thaw(router),
                4 => lan.loss = lan.loss.wrapping_add(70),
                _ => lan.side[router] = 1 - lan.side[router],
            }
            lan.run(ms(time), |_| {});
        }
        lan.loss = 0;
        lan.side.fill(0);
        for router in 0..priorities.len() {
            lan.thaw(router);
            lan.input(router, Input::Startup);
        }
        // Somebody may be leaving (5 s at most); then a full wait, a preemption, and the end of its overlap.
        lan.run(ms(5000) + down(interval, 1) + interval.duration() * 2 + ms(100), |_| {});
        one_serves(&lan);
        let best = *priorities.iter().max().expect("not empty");
        let master = lan.masters()[0];
        prop_assert_eq!(priorities[master], best);
        lan.run(down(interval, 1) * 4, one_serves);
        prop_assert_eq!(lan.masters(), [master]);
    }
}

/// Stops the Master (1), the Backup (2) or both (3) for a while.
fn freeze(lan: &mut Lan, who: u8, time: Duration, check: impl FnMut(&Lan)) {
    let stopped: Vec<usize> = (0..2).filter(|router| who & (1 << router) != 0).collect();
    for router in &stopped {
        lan.freeze(*router);
    }
    lan.run(time, check);
    for router in &stopped {
        lan.thaw(*router);
    }
}

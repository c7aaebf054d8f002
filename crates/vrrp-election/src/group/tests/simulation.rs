//! Two and three machines with a group each. Bounds are theory: intervals, skew time and the constants of this crate.

use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};
use proptest::prelude::*;

use super::super::SyncGroup;
use super::site::{LATENCY, Site};
use crate::config::{AnnounceSchedule, Config, Preempt};
use crate::election::tests::support::{ms, v2, v3};
use crate::interface::{Link, State};

/// How long adding the address takes, and the announcement after it; and two ways of a packet.
const SMALL: Duration = Duration::from_millis(1);
/// The overlap with a successor of one address.
const LINGER: Duration = Duration::from_micros(50_500);

fn config(interval: AdvertInterval, priority: u8) -> Config {
    Config::new(interval, Priority::new(priority)).expect("a priority")
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

/// The interval of each LAN, which all machines share.
fn lans() -> impl Strategy<Value = Vec<AdvertInterval>> {
    prop_oneof![
        (intervals(), 2_usize..4).prop_map(|(interval, lans)| vec![interval; lans]),
        prop::collection::vec(intervals(), 2..4),
    ]
}

/// The same on all LANs for each machine.
const PRIORITIES: [u8; 3] = [150, 100, 50];

fn skew(interval: AdvertInterval, priority: u8) -> Duration {
    let whole = match interval.version() {
        locum_vrrp_wire::Version::V2 => Duration::from_secs(1),
        locum_vrrp_wire::Version::V3 => interval.duration(),
    };
    whole * (256 - u32::from(priority)) / 256
}

fn longest(lans: &[AdvertInterval], of: impl Fn(AdvertInterval) -> Duration) -> Duration {
    lans.iter().map(|lan| of(*lan)).max().expect("not empty")
}

/// The longest master-down interval.
fn down(lans: &[AdvertInterval], priority: u8) -> Duration {
    longest(lans, |lan| lan.duration() * 3 + skew(lan, priority))
}

/// Everybody runs, and the first machine is Master.
fn settled(lans: &[AdvertInterval], machines: usize, seed: u64) -> Site {
    let machine = |priority: &u8| lans.iter().map(|lan| config(*lan, *priority)).collect();
    let configs: Vec<Vec<Config>> = PRIORITIES[..machines].iter().map(machine).collect();
    let mut site = Site::new(&configs, |machine, _| host(machine), seed);
    for machine in 0..machines {
        site.startup(machine);
    }
    site.run(down(lans, 50) + ms(2000), |_| {});
    assert_eq!(site.whole(), Some(0));
    site
}

fn host(machine: usize) -> u8 {
    u8::try_from(machine + 1).expect("few machines")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_planned_stop_leaves_no_gap_on_any_lan(
        lans in lans(), machines in 2_usize..4, phase in 0_u64..2000, seed: u64,
    ) {
        let mut site = settled(&lans, machines, seed);
        site.run(ms(phase), |_| {});
        site.shutdown(0);
        let mut moved = None;
        site.run(ms(10_000), |site| {
            assert!(site.all_served());
            if moved.is_none() && site.masters(0) == [1] {
                moved = Some(site.now);
            }
            // Nobody lets go before all of them are taken over.
            if (0..site.lans()).any(|lan| site.masters(lan) != [1]) {
                assert!((0..site.lans()).all(|lan| site.owners(lan).contains(&0)));
            }
        });
        prop_assert_eq!(site.whole(), Some(1));
        prop_assert_eq!(site.state(0), State::Initialize);
        prop_assert_eq!(site.longest_half, Duration::ZERO);
    }

    #[test]
    fn a_preemption_leaves_no_gap_on_any_lan(lans in lans(), phase in 0_u64..2000, seed: u64) {
        let mut site = settled(&lans, 2, seed);
        site.shutdown(0);
        site.run(ms(10_000 + phase), |_| {});
        site.startup(0);
        let bound = down(&lans, 150) + SyncGroup::HALF + LINGER + SMALL;
        let whole = site.until(bound, |site| {
            assert!(site.all_served());
            site.whole() == Some(0)
        });
        prop_assert!(whole.is_some());
        prop_assert!(site.longest_half <= SyncGroup::HALF);
        site.run(ms(10_000), |site| assert_eq!(site.whole(), Some(0)));
    }

    #[test]
    fn a_lost_link_moves_all_lans(
        lans in lans(), machines in 2_usize..4, lost in 0_usize..3, phase in 0_u64..2000, seed: u64,
    ) {
        let mut site = settled(&lans, machines, seed);
        site.run(ms(phase), |_| {});
        let lost = lost % lans.len();
        site.link(0, lost, Link::Down);
        for lan in 0..lans.len() {
            assert_eq!(site.masters(lan), [], "all step back at once");
        }
        // The others know by the goodbye: an interval at most until the lost one is missed.
        let bound = longest(&lans, |lan| lan.duration() + skew(lan, 100)) + LATENCY + SMALL;
        let moved = site.until(bound, |site| {
            let kept = (0..site.lans()).filter(|lan| *lan != lost);
            assert!(kept.into_iter().all(|lan| site.is_served(lan)), "make before break");
            (0..site.lans()).all(|lan| site.masters(lan) == [1])
        });
        prop_assert!(moved.is_some());
        site.run(ms(6000), |site| assert!(site.all_served()));
        prop_assert_eq!(site.whole(), Some(1));
        prop_assert_eq!(site.state(0), State::Fault);
        // And back.
        site.link(0, lost, Link::Up);
        site.run(down(&lans, 150) + SyncGroup::HALF + LINGER + SMALL, |site| {
            assert!(site.all_served());
        });
        prop_assert_eq!(site.whole(), Some(0));
    }

    #[test]
    fn a_dead_machine_is_replaced_on_all_lans_within_the_longest_wait(
        lans in lans(), machines in 2_usize..4, phase in 0_u64..2000, seed: u64,
    ) {
        let mut site = settled(&lans, machines, seed);
        site.run(ms(phase), |_| {});
        site.power_off(0);
        let bound = down(&lans, 100) + LATENCY + SMALL;
        let moved = site.until(bound, |site| site.whole() == Some(1));
        prop_assert!(moved.is_some());
        prop_assert_eq!(site.longest_half, Duration::ZERO);
        site.power_on(0);
        site.run(down(&lans, 150) + SyncGroup::HALF + LINGER + SMALL, |site| {
            assert!(site.all_served());
        });
        prop_assert_eq!(site.whole(), Some(0));
    }

    #[test]
    fn one_lan_split_in_two_moves_nothing(lans in lans(), split in 0_usize..3, seed: u64) {
        let mut site = settled(&lans, 3, seed);
        let split = split % lans.len();
        for other in 1..3 {
            site.cut(split, 0, other);
            site.cut(split, other, 0);
        }
        site.run(down(&lans, 50) * 3, |site| assert_eq!(site.whole(), Some(0)));
        site.heal();
        site.run(down(&lans, 50) * 3, |site| assert_eq!(site.whole(), Some(0)));
    }

    #[test]
    fn when_all_lans_were_split_the_better_machine_stays(lans in lans(), seed: u64) {
        let mut site = settled(&lans, 2, seed);
        for lan in 0..lans.len() {
            site.cut(lan, 0, 1);
            site.cut(lan, 1, 0);
        }
        site.run(down(&lans, 100) + SMALL, |_| {});
        for lan in 0..lans.len() {
            assert_eq!(site.masters(lan), [0, 1]);
        }
        // One after the other.
        for lan in 0..lans.len() {
            site.loss.remove(&(lan, 0, 1));
            site.loss.remove(&(lan, 1, 0));
            let second = longest(&lans, AdvertInterval::duration) * 2;
            site.run(second + ms(200), |site| assert!(!site.masters(0).is_empty()));
            for lan in 0..lans.len() {
                assert_eq!(site.masters(lan), [0]);
            }
        }
        prop_assert!(site.until(ms(6000), |site| site.whole() == Some(0)).is_some());
    }

    /// The hardest case: each is better on one link, as with equal priorities, or is configured so.
    #[test]
    fn two_groups_that_outrank_each_other_do_not_take_turns(
        lans in lans(), priorities in prop::collection::vec((1_u8..255, 1_u8..255), 3),
        equal in any::<bool>(), first_is_better in any::<bool>(), apart in 0_u64..3000, seed: u64,
    ) {
        let machine = |number: usize| -> Vec<Config> {
            let lan = |(lan, interval): (usize, &AdvertInterval)| {
                let (one, other) = priorities[lan];
                let (low, high) = (one.min(other), one.max(other));
                // The first machine is better on the first LAN, the other one on the others, or the other way round.
                let is_better = ((lan == 0) == first_is_better) == (number == 0);
                config(*interval, if is_better || equal { high } else { low })
            };
            lans.iter().enumerate().map(lan).collect()
        };
        let configs = [machine(0), machine(1)];
        let rank = |machine, lan| if (lan == 0) == (machine == 0) { 9 } else { 1 };
        let mut site = Site::new(&configs, rank, seed);
        site.startup(0);
        // At the same moment, or some time apart.
        site.run(ms(if apart % 3 == 0 { 0 } else { apart }), |_| {});
        site.startup(1);
        let bound = down(&lans, 1) + longest(&lans, AdvertInterval::duration) + LINGER * 2 + SMALL + ms(5000);
        site.run(bound, |_| {});
        let master = site.whole();
        prop_assert!(master.is_some());
        site.run(down(&lans, 1) * 4, |site| assert_eq!(site.whole(), master));
        // Split and whole again, all LANs at once: nobody is left without.
        for lan in 0..lans.len() {
            site.cut(lan, 0, 1);
            site.cut(lan, 1, 0);
        }
        site.run(down(&lans, 1) + SMALL, |_| {});
        site.loss.clear();
        site.run(bound, |site| assert!((0..site.lans()).all(|lan| !site.masters(lan).is_empty())));
        let master = site.whole();
        prop_assert!(master.is_some());
        site.run(down(&lans, 1) * 4, |site| assert_eq!(site.whole(), master));
    }

    #[test]
    fn a_whole_site_has_one_master_of_all_lans_whatever_came_before(
        lans in lans(),
        priorities in prop::collection::vec(prop::collection::vec(1_u8..255, 3), 2..4),
        consistent in any::<bool>(), forbid in any::<bool>(),
        troubles in prop::collection::vec((0_u8..10, 0_usize..3, 0_usize..3, 0_usize..3, 0_u64..4000), 0..30),
        seed: u64,
    ) {
        // A client that was cut off while a router became Master learns of it by the refresh only.
        let announce = AnnounceSchedule { again_after: None, refresh: Some(ms(1000)) };
        let machine = |priorities: &Vec<u8>| -> Vec<Config> {
            let lan = |(lan, interval): (usize, &AdvertInterval)| {
                let config = config(*interval, priorities[if consistent { 0 } else { lan }]).announce(announce);
                if forbid { config.preempt(Preempt::Forbid) } else { config }
            };
            lans.iter().enumerate().map(lan).collect()
        };
        let configs: Vec<Vec<Config>> = priorities.iter().map(machine).collect();
        let rank = |machine: usize, lan: usize| {
            host(if consistent { machine } else { (machine + lan) % priorities.len() })
        };
        let mut site = Site::new(&configs, rank, seed);
        for machine in 0..site.len() {
            site.startup(machine);
        }
        for (trouble, one, other, lan, time) in troubles {
            let (one, other, lan) = (one % site.len(), other % site.len(), lan % site.lans());
            match trouble {
                0 => site.startup(one),
                1 => site.shutdown(one),
                2 => site.power_off(one),
                3 => site.power_on(one),
                4 => site.link(one, lan, Link::Down),
                5 => site.link(one, lan, Link::Up),
                6 => site.cut(lan, one, other),
                7 => site.freeze(one),
                8 => site.thaw(one),
                _ => { site.loss.insert((lan, one, other), 100); },
            }
            site.run(ms(time), |_| {});
        }
        prop_assert!(site.longest_half <= SyncGroup::HALF);
        site.heal();
        // Somebody may be leaving (5 s at most); then a full wait, a preemption, a rival on one LAN for an interval,
        // and the end of the overlap.
        let interval = longest(&lans, AdvertInterval::duration);
        site.run(ms(5000) + down(&lans, 1) + interval * 2 + SyncGroup::HALF + LINGER * 2 + SMALL, |_| {});
        let master = site.whole();
        prop_assert!(master.is_some(), "{:?}", (0..site.len()).map(|machine| site.state(machine)).collect::<Vec<_>>());
        site.run(down(&lans, 1) * 4, |site| {
            assert_eq!(site.whole(), master);
            assert!(site.all_served());
        });
        if consistent && !forbid {
            let best = priorities.iter().map(|all| all[0]).max();
            prop_assert_eq!(master.map(|master| priorities[master][0]), best);
        }
        prop_assert!(site.longest_half <= SyncGroup::HALF);
    }
}

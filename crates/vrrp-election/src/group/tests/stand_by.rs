//! Leaving mastership to others, and other configurations, together.

use core::time::Duration;

use super::pair::Group;
use crate::config::Config;
use crate::election::tests::support::{BELOW, advert, config, ms, v2};
use crate::interface::{Input, Rejected, State, Timer};

const ON: Input = Input::StandBy { time: None };

fn two() -> [Config; 2] {
    [config(150), config(150)]
}

#[test]
fn whichever_is_told_all_hand_over_and_none_comes_back() {
    for told in [0, 1] {
        let mut group = Group::master(&two());
        assert_eq!(
            group.says(told, ON),
            "0: Goodbye, 0: Master→Leaving StandBy, 1: Goodbye, 1: Master→Leaving StandBy"
        );
        for _ in 0..20 {
            group.says(0, advert(BELOW, 100));
            group.says(1, advert(BELOW, 100));
            group.run(ms(1000));
        }
        assert_eq!(group.states(), [State::Backup; 2]);
    }
}

#[test]
fn without_a_successor_all_stay() {
    let mut group = Group::master(&two());
    group.says(0, ON);
    group.run(Duration::from_secs(6));
    assert_eq!(group.states(), [State::Master; 2]);
}

#[test]
fn who_is_ready_is_not_ready_for_a_lesser_master_any_more() {
    let mut group = Group::started(&[config(250), config(50)]);
    for _ in 0..4 {
        group.says(0, advert(BELOW, 100));
        group.says(1, advert(BELOW, 100));
        group.run(ms(1000));
    }
    group.says(1, ON);
    assert!(group.due_in(0, Timer::MasterDown).is_some());
}

#[test]
fn a_member_is_reconfigured_and_all_stay_master() {
    let mut group = Group::master(&two());
    assert_eq!(
        group.says(1, Input::Reconfigure(config(90))),
        "1: Advertise"
    );
    assert_eq!(group.states(), [State::Master; 2]);
    for other in [
        config(255),
        Config::new(v2(1), config(1).priority()).unwrap(),
    ] {
        let refused = group.group.handle(group.now, 0, Input::Reconfigure(other));
        assert!(matches!(
            refused,
            Err(Rejected::Priority | Rejected::Version)
        ));
    }
}

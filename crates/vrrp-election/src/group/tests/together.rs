//! Up together, down together, gone together.

use locum_vrrp_wire::Priority;

use super::super::{SyncGroup, SyncGroupError};
use super::pair::{Group, other};
use crate::config::{Config, Preempt};
use crate::election::tests::support::{
    ABOVE, BELOW, advert, advert_every, config, delayed, ms, ns, v2, v3,
};
use crate::interface::{Effect, Input, Link, Rejected, State, Timer, Tracking};

const DOWN: Input = Input::Link(Link::Down);
const UP: Input = Input::Link(Link::Up);

fn two() -> [Config; 2] {
    [config(150), config(150)]
}

#[test]
fn a_group_has_two_members_at_least_and_no_owner() {
    let of = |priorities: &[u8]| {
        SyncGroup::new(priorities.iter().map(|priority| config(*priority))).map(drop)
    };
    assert_eq!(of(&[]), Err(SyncGroupError::TooFew));
    assert_eq!(of(&[255]), Err(SyncGroupError::TooFew));
    assert_eq!(
        of(&[150, 255, 100]),
        Err(SyncGroupError::Owner { member: 1 })
    );
    assert_eq!(of(&[150, 1]), Ok(()));
}

#[test]
fn a_member_that_is_not_there_is_refused() {
    let mut group = Group::started(&two());
    let result = group.group.handle(group.now, 2, UP);
    assert_eq!(result, Err(Rejected::NoSuchMember));
    assert_eq!(group.group.poll_action(), None);
}

#[test]
fn the_slowest_member_decides_when_all_become_master() {
    let mut group = Group::started(&[config(250), config(50), config(150)]);
    // Three intervals and (256 - 50) / 256 of a second.
    let log = group.run(ns(3_804_687_499));
    assert!(log.iter().all(|(_, text)| text.is_empty()), "{log:?}");
    assert_eq!(group.states(), [State::Backup; 3]);
    assert_eq!(group.group.held_back_by().collect::<Vec<_>>(), [1]);
    group.pass(ns(1));
    assert_eq!(
        group.timeout(),
        "0: Advertise, 0: Backup→Master MasterSilent, 1: Advertise, 1: Backup→Master MasterSilent, \
         2: Advertise, 2: Backup→Master MasterSilent"
    );
    assert_eq!(group.group.held_back_by().count(), 0);
}

#[test]
fn members_of_different_versions_and_intervals_wait_for_the_slowest() {
    let slow = Config::new(v2(2), Priority::new(100)).expect("a priority");
    let fast = Config::new(v3(10), Priority::new(200)).expect("a priority");
    let mut group = Group::started(&[fast, slow]);
    // RFC 3768: 3 × 2 s + (256 - 100) / 256 s.
    assert_eq!(group.until(State::Master), ns(6_609_375_000));
}

#[test]
fn a_member_that_hears_a_better_master_keeps_all_backup_and_stays_ready_elsewhere() {
    let mut group = Group::started(&two());
    for _ in 0..30 {
        group.says(1, advert(ABOVE, 200));
        group.run(ms(1000));
        assert_eq!(group.states(), [State::Backup; 2]);
    }
    assert_eq!(group.group.held_back_by().collect::<Vec<_>>(), [1]);
    // A lesser master there changes nothing, a better one does.
    group.says(0, advert(BELOW, 100));
    assert_eq!(group.group.held_back_by().collect::<Vec<_>>(), [1]);
    group.says(0, advert(ABOVE, 200));
    assert_eq!(group.group.held_back_by().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn both_take_over_from_a_lesser_master_with_their_addresses_first() {
    let mut group = Group::started(&two());
    let mut log = Vec::new();
    for _ in 0..4 {
        for member in 0..2 {
            group.says(member, advert(BELOW, 100));
        }
        let end = group.now + ms(1000);
        while let Some(next) = group.group.poll_timeout().filter(|next| next.at <= end) {
            group.now = group.now.max(next.at);
            log.push(group.timeout());
        }
        group.now = end;
    }
    log.retain(|text| !text.is_empty());
    assert_eq!(
        log[0],
        "0: Backup→Preempting MasterLesser, 1: Backup→Preempting MasterLesser"
    );
    assert_eq!(
        log[1],
        "0: Advertise, 0: Preempting→Master MasterLesser, 1: Advertise, 1: Preempting→Master MasterLesser"
    );
}

#[test]
fn one_is_master_before_the_other_for_as_long_as_an_address_may_take() {
    let mut group = Group::started(&two());
    group.run(ms(1000));
    group.says(0, advert(BELOW, 100));
    group.run(ms(1000));
    group.says(0, advert(BELOW, 100));
    group.until(State::Preempting);
    assert_eq!(group.states(), [State::Preempting, State::Master]);
    assert_eq!(group.until(State::Master), SyncGroup::HALF);
}

#[test]
fn a_better_master_heard_while_the_addresses_are_added_takes_all_back() {
    let mut group = Group::started(&two());
    group.run(ms(2000));
    group.says(0, advert(BELOW, 100));
    group.until(State::Preempting);
    assert_eq!(
        group.says(0, advert(ABOVE, 200)),
        "0: Release, 0: Preempting→Backup Outranked, 1: Goodbye, 1: Master→Leaving GroupMember"
    );
}

#[test]
fn a_lost_link_hands_over_the_others() {
    let mut group = Group::master(&[config(150), config(150), config(150)]);
    group.pass(ms(100));
    assert_eq!(
        group.says(1, DOWN),
        "1: Release, 1: Master→Fault Faulty, 0: Goodbye, 0: Master→Leaving GroupMember, \
         2: Goodbye, 2: Master→Leaving GroupMember"
    );
    assert_eq!(group.state(), State::Leaving);
    // Nobody could be told on link 1: its backup may have to miss three advertisements.
    assert_eq!(group.due_in(0, Timer::Leave), Some(ns(3_996_093_750)));
    // The successor on link 0 is there first; it shares the addresses until the last one has come.
    group.pass(ms(1600));
    assert_eq!(group.says(0, advert(BELOW, 100)), "");
    group.pass(ms(400));
    assert_eq!(group.timeout(), "2: Goodbye");
    assert_eq!(group.states()[0], State::Leaving);
    assert_eq!(group.says(2, advert(BELOW, 100)), "");
    assert_eq!(group.until(State::Fault), ns(50_500_000));
    assert_eq!(group.states(), [State::Backup, State::Fault, State::Backup]);
}

#[test]
fn a_failed_track_hands_over_everywhere_with_a_goodbye() {
    let mut group = Group::master(&two());
    assert_eq!(
        group.says(1, Input::Tracking(Tracking::Failed)),
        "1: Goodbye, 1: Master→Leaving Faulty, 0: Goodbye, 0: Master→Leaving GroupMember"
    );
    assert_eq!(group.due_in(0, Timer::Leave), Some(ns(2_996_093_750)));
    assert_eq!(group.due_in(1, Timer::Leave), Some(ns(2_996_093_750)));
    for member in 0..2 {
        group.says(member, advert(BELOW, 100));
    }
    group.until(State::Fault);
    assert_eq!(group.states(), [State::Backup, State::Fault]);
}

#[test]
fn a_short_fault_that_nobody_took_over_for_leaves_no_gap() {
    let mut group = Group::master(&two());
    group.says(1, Input::Tracking(Tracking::Failed));
    group.pass(ms(7));
    group.says(1, Input::Tracking(Tracking::Recovered));
    let log = group.run(ms(10_000));
    assert_eq!(group.states(), [State::Master; 2]);
    assert!(
        !log.iter().any(|(_, text)| text.contains("Release")),
        "{log:?}"
    );
    // Somebody took over one of them: the other goes with it.
    let mut group = Group::master(&two());
    group.says(1, Input::Tracking(Tracking::Failed));
    group.says(1, Input::Tracking(Tracking::Recovered));
    group.says(0, advert(BELOW, 100));
    group.until(State::Backup);
    assert_eq!(group.states(), [State::Backup; 2]);
}

#[test]
fn addresses_that_cannot_be_held_hand_over_everywhere() {
    let mut group = Group::master(&two());
    let (id, _) = group.group.members()[0].holds().expect("held");
    assert_eq!(
        group.says(0, Input::Effect(Effect::HoldFailed(id))),
        "0: Goodbye, 0: Master→Leaving Faulty, 1: Goodbye, 1: Master→Leaving GroupMember"
    );
}

#[test]
fn after_a_fault_all_wait_as_long_as_the_one_that_recovered() {
    let mut group = Group::master(&two());
    group.says(1, DOWN);
    group.run(ms(20_000));
    assert_eq!(group.states(), [State::Backup, State::Fault]);
    assert_eq!(group.group.held_back_by().collect::<Vec<_>>(), [1]);
    assert_eq!(group.says(1, UP), "1: Fault→Backup Recovered");
    // Three intervals and (256 - 150) / 256 of a second.
    assert_eq!(group.until(State::Master), ns(3_414_062_500));
}

#[test]
fn a_planned_stop_says_goodbye_everywhere_and_ends_with_the_last_successor() {
    let mut group = Group::master(&two());
    group.pass(ms(100));
    assert_eq!(
        group.shutdown(),
        "0: Goodbye, 0: Master→Leaving Stopped, 1: Goodbye, 1: Master→Leaving Stopped"
    );
    group.pass(ms(610));
    group.says(1, advert(BELOW, 100));
    group.pass(ms(200));
    assert_eq!(
        group.timeout(),
        "",
        "the overlap is over, but not for the other"
    );
    group.says(0, advert(BELOW, 100));
    assert_eq!(group.until(State::Initialize), ns(50_500_000));
    assert_eq!(group.group.poll_timeout(), None);
}

#[test]
fn a_planned_stop_without_a_successor_ends_at_its_bound() {
    let mut group = Group::master(&two());
    group.shutdown();
    group.says(1, advert(BELOW, 100));
    assert_eq!(group.until(State::Initialize), ns(2_996_093_750));
}

#[test]
fn a_fast_member_waits_for_the_successor_of_a_slow_one() {
    let fast = Config::new(v3(1), Priority::new(150)).expect("a priority");
    let slow = Config::new(v3(200), Priority::new(150)).expect("a priority");
    let mut group = Group::master(&[fast, slow]);
    group.shutdown();
    let bound = ms(5000);
    assert_eq!(group.due_in(0, Timer::Leave), Some(bound));
    assert_eq!(group.until(State::Initialize), bound);
}

#[test]
fn a_second_stop_does_not_wait() {
    let mut group = Group::master(&two());
    group.shutdown();
    assert_eq!(
        group.shutdown(),
        "0: Release, 0: Leaving→Initialize NoSuccessor, 1: Release, 1: Leaving→Initialize NoSuccessor"
    );
}

#[test]
fn one_member_told_to_stop_takes_the_others_with_it() {
    let mut group = Group::master(&two());
    assert_eq!(
        group.says(0, Input::Shutdown),
        "0: Goodbye, 0: Master→Leaving Stopped, 1: Goodbye, 1: Master→Leaving GroupMember"
    );
    group.run(ms(20_000));
    assert_eq!(group.states(), [State::Initialize, State::Backup]);
    group.says(0, Input::Startup);
    assert_eq!(group.until(State::Master), ns(3_414_062_500));
}

#[test]
fn a_goodbye_on_one_link_shortens_the_wait_on_the_others() {
    let mut group = Group::started(&two());
    for member in 0..2 {
        group.says(member, advert(ABOVE, 200));
    }
    group.pass(ms(100));
    group.says(1, advert(ABOVE, 0));
    // The skew time, and an interval more where nothing was heard.
    assert_eq!(group.due_in(1, Timer::MasterDown), Some(ns(414_062_500)));
    assert_eq!(group.due_in(0, Timer::MasterDown), Some(ns(1_414_062_500)));
    assert_eq!(group.until(State::Master), ns(1_414_062_500));
}

#[test]
fn a_master_that_still_advertises_on_the_other_link_is_believed() {
    let mut group = Group::started(&two());
    for member in 0..2 {
        group.says(member, advert(ABOVE, 200));
    }
    group.says(1, advert(ABOVE, 0));
    group.pass(ms(1000));
    group.says(0, advert(ABOVE, 200));
    assert_eq!(group.due_in(0, Timer::MasterDown), Some(ns(3_414_062_500)));
    assert_eq!(group.states(), [State::Backup; 2]);
}

#[test]
fn a_goodbye_of_somebody_who_is_not_watched_shortens_nothing() {
    let mut group = Group::started(&two());
    for member in 0..2 {
        group.says(member, advert(ABOVE, 200));
    }
    group.says(1, advert(other(8), 0));
    assert_eq!(group.due_in(0, Timer::MasterDown), Some(ns(3_414_062_500)));
}

#[test]
fn one_member_that_may_not_preempt_keeps_all_from_it() {
    let mut group = Group::started(&[config(150), config(150).preempt(Preempt::Forbid)]);
    for _ in 0..30 {
        for member in 0..2 {
            group.says(member, advert(BELOW, 100));
        }
        group.run(ms(1000));
        assert_eq!(group.states(), [State::Backup; 2]);
    }
    // It is gone: three intervals and the skew time after it was last heard.
    assert_eq!(group.until(State::Master), ns(2_414_062_500));
}

#[test]
fn the_longest_preempt_delay_counts() {
    let delays = [ms(5000), ms(60_000)];
    let mut group = Group::started(&delays.map(|delay| config(150).preempt(delayed(delay))));
    let start = group.now;
    while group.states() == [State::Backup; 2] {
        for member in 0..2 {
            group.says(member, advert(BELOW, 100));
        }
        group.run(ms(500));
    }
    assert_eq!(group.now - start, ms(60_000));
    assert_eq!(group.states(), [State::Master; 2]);
}

#[test]
fn a_lesser_master_that_comes_up_beside_a_ready_member_is_left_alone_for_the_delay() {
    let delay = ms(10_000);
    let mut group = Group::started(&[config(150).preempt(delayed(delay)), config(150)]);
    for _ in 0..10 {
        group.says(1, advert(ABOVE, 200));
        group.run(ms(1000));
    }
    let start = group.now;
    while group.states() == [State::Backup; 2] {
        group.says(0, advert(BELOW, 100));
        group.run(ms(500));
    }
    assert_eq!(group.now - start, delay);
}

#[test]
fn the_longest_startup_delay_counts() {
    let mut group = Group::started(&[
        config(150).startup_delay(ms(20_000)),
        config(150).startup_delay(ms(10_000)),
    ]);
    assert_eq!(group.until(State::Master), ms(20_000));
}

#[test]
fn a_lowered_priority_takes_all_back_when_the_master_is_better() {
    let mut group = Group::started(&two());
    group.run(ms(10_000));
    assert_eq!(group.state(), State::Master);
    assert_eq!(
        group.says(0, Input::SetPriority(Priority::new(50))),
        "0: Advertise"
    );
    assert_eq!(
        group.says(0, advert(BELOW, 100)),
        "0: Advertise, 0: Master→Backup Outranked, 1: Goodbye, 1: Master→Leaving GroupMember"
    );
}

#[test]
fn a_ready_member_whose_priority_changes_stays_ready_unless_the_master_is_better_now() {
    let mut group = Group::started(&two());
    for _ in 0..5 {
        group.says(0, advert(BELOW, 100));
        group.says(1, advert(ABOVE, 200));
        group.run(ms(1000));
    }
    let held_back = |group: &Group| group.group.held_back_by().collect::<Vec<_>>();
    group.says(0, advert(BELOW, 100));
    assert_eq!(held_back(&group), [1]);
    group.says(0, Input::SetPriority(Priority::new(120)));
    assert_eq!(held_back(&group), [1]);
    group.says(0, Input::SetPriority(Priority::new(90)));
    assert_eq!(held_back(&group), [0, 1]);
}

#[test]
fn a_better_rival_of_the_first_member_takes_all_down_at_once() {
    let mut group = Group::master(&two());
    assert_eq!(
        group.says(0, advert(ABOVE, 200)),
        "0: Advertise, 0: Master→Backup Outranked, 1: Goodbye, 1: Master→Leaving GroupMember"
    );
    // And what the later one would have been told next changes nothing.
    group.pass(ms(20));
    assert_eq!(group.says(1, advert(ABOVE, 200)), "");
    group.until(State::Backup);
}

#[test]
fn a_better_rival_of_a_later_member_takes_all_down_if_it_stays() {
    let interval = v3(100);
    let mut group = Group::master(&two());
    assert_eq!(group.says(1, advert_every(ABOVE, 200, interval)), "");
    group.pass(ms(500));
    assert_eq!(group.says(1, advert_every(ABOVE, 200, interval)), "");
    group.pass(ms(500));
    assert_eq!(
        group.says(1, advert_every(ABOVE, 200, interval)),
        "1: Advertise, 1: Master→Backup Outranked, 0: Goodbye, 0: Master→Leaving GroupMember"
    );
}

#[test]
fn a_rival_heard_once_long_ago_does_not_count() {
    let mut group = Group::master(&two());
    group.says(1, advert(ABOVE, 200));
    group.run(ms(4000));
    assert_eq!(group.says(1, advert(ABOVE, 200)), "");
    assert_eq!(group.state(), State::Master);
}

#[test]
fn a_group_that_overslept_its_lease_is_backup_altogether() {
    let mut group = Group::master(&two());
    group.pass(ms(20_000));
    assert_eq!(
        group.timeout(),
        "0: Release, 0: Master→Backup LeaseLapsed, 1: Release, 1: Master→Backup LeaseLapsed"
    );
}

#[test]
fn the_state_of_a_group_says_the_most_urgent_first() {
    let mut group = Group::ready(&two());
    assert_eq!(group.state(), State::Initialize);
    group.says(0, Input::Startup);
    assert_eq!(group.state(), State::Initialize);
    group.says(1, Input::Startup);
    assert_eq!(group.state(), State::Backup);
    group.says(0, DOWN);
    assert_eq!(group.state(), State::Fault);
    group.says(0, UP);
    group.until(State::Master);
    group.says(0, DOWN);
    assert_eq!(group.states(), [State::Fault, State::Leaving]);
    assert_eq!(group.state(), State::Leaving);
    group.until(State::Fault);
}

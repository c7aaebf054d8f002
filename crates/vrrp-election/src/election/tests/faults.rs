//! What fails, and trying again.

use core::num::NonZeroU8;

use super::support::{ABOVE, BELOW, Router, advert, config, ms};
use crate::interface::{Effect, Input, Link, State, Timer, Tracking};

const NOT_SENT: Input = Input::Effect(Effect::NotSent);

#[test]
fn a_router_takes_part_when_nothing_is_missing_any_more() {
    let mut router = Router::ready(config(150));
    router.does(Input::Link(Link::Down));
    router.does(Input::Tracking(Tracking::Failed));
    assert_eq!(router.says(Input::Startup), "Initialize→Fault Faulty");
    router.does(Input::Source(None));
    assert_eq!(router.says(Input::Link(Link::Up)), "");
    assert_eq!(router.says(Input::Tracking(Tracking::Recovered)), "");
    let back = router.says(Input::Source(Some(super::support::OURS)));
    assert_eq!(back, "Fault→Backup Recovered");
}

#[test]
fn a_master_that_is_cut_off_lets_go_at_once() {
    for lost in [Input::Link(Link::Down), Input::Source(None)] {
        let mut router = Router::master(config(150));
        assert_eq!(router.says(lost), "Release, Master→Fault Faulty");
        assert_eq!(router.election.poll_timeout(), None);
    }
}

#[test]
fn addresses_that_fail_are_tried_again_after_twice_the_time() {
    let mut router = Router::master(config(150));
    for wait in [1, 2, 4, 8, 10, 10] {
        assert_eq!(router.hold_failed(), "Advertise 0, Master→Leaving Faulty");
        router.until(Timer::Leave);
        assert_eq!(router.timeout(), "Release, Leaving→Fault Faulty");
        assert_eq!(router.due_in(Timer::Retry), Some(ms(wait * 1000)));
        router.until(Timer::Retry);
        assert_eq!(router.timeout(), "Fault→Backup Recovered");
        router.until(Timer::MasterDown);
        router.timeout();
    }
    // A Master that works for an interval starts from the beginning.
    router.held();
    router.run(ms(1000));
    router.hold_failed();
    router.until(Timer::Leave);
    router.timeout();
    assert_eq!(router.due_in(Timer::Retry), Some(ms(1000)));
}

#[test]
fn a_backup_whose_addresses_fail_does_not_preempt() {
    let mut router = Router::started(config(150));
    router.pass(ms(3000)).does(advert(BELOW, 100));
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.hold_failed(), "Release, Preempting→Fault Faulty");
    assert_eq!(router.due_in(Timer::Retry), Some(ms(1000)));
}

#[test]
fn a_master_that_cannot_send_for_as_long_as_others_wait_lets_go() {
    for missed in [1, 2, 3, 255] {
        let missed = NonZeroU8::new(missed).expect("not zero");
        let mut router = Router::master(config(150).missed_adverts(missed));
        for _ in 1..missed.get() {
            assert_eq!(router.says(NOT_SENT), "");
            // Reported twice, it counts once.
            assert_eq!(router.says(NOT_SENT), "");
            router.run(ms(1000));
        }
        assert_eq!(router.says(NOT_SENT), "Release, Master→Fault Faulty");
        assert!(router.election.faults().sending);
    }
}

#[test]
fn one_advertisement_that_was_sent_ends_the_row() {
    let mut router = Router::master(config(150));
    for _ in 0..10 {
        for _ in 0..2 {
            router.does(NOT_SENT);
            router.run(ms(1000));
        }
        router.run(ms(1000));
    }
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.election.stats().adverts_not_sent, 20);
}

#[test]
fn a_master_that_can_never_send_takes_over_ever_less_often() {
    // It can hear, and its addresses work: as long as it is Master, there are two.
    let mut router = Router::master(config(150));
    for wait in [1, 2, 4, 8, 10, 10] {
        for _ in 0..2 {
            router.does(NOT_SENT);
            router.run(ms(1000));
            router.held();
        }
        router.does(NOT_SENT);
        assert_eq!(router.due_in(Timer::Retry), Some(ms(wait * 1000)));
        router.until(Timer::Retry);
        router.timeout();
        router.until(Timer::MasterDown);
        router.timeout();
        router.held();
    }
}

#[test]
fn a_fault_that_is_being_retried_waits_for_the_link_too() {
    let mut router = Router::master(config(150));
    router.hold_failed();
    router.until(Timer::Leave);
    router.timeout();
    router.does(Input::Link(Link::Down));
    router.until(Timer::Retry);
    assert_eq!(router.timeout(), "");
    assert_eq!(router.election.poll_timeout(), None);
    assert!(router.says(Input::Link(Link::Up)).ends_with("Recovered"));
}

#[test]
fn a_preemptor_that_cannot_say_so_steps_back_at_once() {
    // The lesser Master would not hear of it, and the clients would be told all the same.
    let mut router = Router::started(config(150));
    router.pass(ms(1000)).does(advert(BELOW, 100));
    router.pass(ms(1000)).does(advert(BELOW, 100));
    router.until(Timer::MasterDown);
    router.timeout();
    router.held();
    assert_eq!(router.state(), State::Master);
    let back = router.says(Input::Effect(Effect::NotSent));
    assert_eq!(back, "Release, Master→Fault Faulty");
    // Nobody else is Master when a dead one is replaced: that has time for another try.
    let mut router = Router::master(config(150));
    assert_eq!(router.says(Input::Effect(Effect::NotSent)), "");
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_late_report_about_an_old_hold_changes_nothing() {
    let mut router = Router::master(config(150));
    let (old, _) = router.election.holds().expect("held");
    router.does(advert(ABOVE, 200));
    router.until(Timer::Linger);
    router.timeout();
    router.until(Timer::MasterDown);
    router.timeout();
    for effect in [
        Effect::HoldFailed(old),
        Effect::HoldLapsed(old),
        Effect::Held(old),
    ] {
        assert_eq!(router.says(Input::Effect(effect)), "");
        assert_eq!(router.state(), State::Master);
    }
}

/// Whoever puts the addresses there is stuck: the kernel takes them away, and the Backup has to know.
#[test]
fn a_master_whose_lease_is_never_confirmed_leaves() {
    let mut router = Router::master(config(150));
    let mut said = String::new();
    for _ in 0..100 {
        router.now = router.deadline().at;
        said = router.timeout();
        if router.state() != State::Master {
            break;
        }
    }
    assert_eq!(
        said,
        "Advertise 150, Advertise 0, Master→Leaving Faulty, Hold 1 +5s"
    );
    assert_eq!(router.election.stats().holds_failed, 1);
}

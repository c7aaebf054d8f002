//! Watching the Master, and taking over from it.

use super::support::{ABOVE, BELOW, Router, advert, advert_every, config, delayed, ms, ns, v2, v3};
use crate::config::{Config, Preempt};
use crate::interface::{Input, Link, Rejected, State, Timer};
use locum_vrrp_wire::Priority;

const DOWN: core::time::Duration = ns(3_414_062_500);

#[test]
fn a_silent_master_is_replaced_after_the_master_down_interval() {
    let mut router = Router::started(config(150));
    router.pass(ms(700)).does(advert(ABOVE, 200));
    router.pass(DOWN - ns(1));
    assert_eq!(router.timeout(), "");
    let taken_over = router.pass(ns(1)).timeout();
    assert_eq!(
        taken_over,
        "Advertise 150, Hold 1 +5s, Announce, Backup→Master MasterSilent"
    );
}

#[test]
fn a_master_that_stops_is_replaced_after_the_skew_time() {
    let mut router = Router::started(config(150));
    router.does(advert(ABOVE, 200));
    router.pass(ms(900)).does(advert(ABOVE, 0));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(414_062_500)));
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("MasterStopped"));
}

#[test]
fn a_stop_of_somebody_who_is_not_the_master_is_no_reason_to_take_over() {
    let mut router = Router::started(config(150));
    router.does(advert(ABOVE, 200));
    router.pass(ms(10)).does(advert(BELOW, 0));
    assert_eq!(router.due_in(Timer::MasterDown), Some(DOWN - ms(10)));
    // But when the Master has not been heard for so long, anybody's goodbye counts.
    router.pass(DOWN - ms(10)).does(advert(BELOW, 0));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(414_062_500)));
}

#[test]
fn the_masters_stop_counts_although_a_lesser_one_was_heard_after_it() {
    let mut router = Router::started(config(150));
    router.does(advert(ABOVE, 200));
    router.pass(ms(10)).does(advert(BELOW, 100));
    router.pass(ms(10)).does(advert(ABOVE, 0));
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(414_062_500)));
}

#[test]
fn the_masters_stop_counts_although_a_rival_that_stepped_back_was_heard_after_it() {
    // Both are Master at once, since a former one has stopped; the one of the lower address advertises a last time.
    let mut router = Router::started(config(90));
    router.does(advert(ABOVE, 100));
    router.pass(ms(1)).does(advert(BELOW, 100));
    router.pass(ms(10)).does(advert(ABOVE, 0));
    let skew = ns(1_000_000_000 * (256 - 90) / 256);
    assert_eq!(router.due_in(Timer::MasterDown), Some(skew));
    // And whoever is Master after that is watched like any other.
    router.pass(ms(10)).does(advert(BELOW, 100));
    router.pass(ms(10)).does(advert(BELOW, 0));
    assert_eq!(router.due_in(Timer::MasterDown), Some(skew));
}

#[test]
fn the_last_words_of_a_lesser_master_do_not_start_the_preempt_delay_beside_a_better_one() {
    let mut router = Router::started(config(150).preempt(delayed(ms(500))));
    router.does(advert(ABOVE, 200));
    router.pass(ms(10)).does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), None);
    assert_eq!(router.due_in(Timer::MasterDown), Some(DOWN - ms(10)));
    // When the better one has stopped, a lesser Master is one.
    router.does(advert(ABOVE, 0));
    router.pass(ms(10)).does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(500)));
    // And so is the better one if it has become lesser.
    let mut router = Router::started(config(150).preempt(delayed(ms(500))));
    router.does(advert(ABOVE, 200));
    router.pass(ms(10)).does(advert(ABOVE, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(500)));
}

#[test]
fn a_lesser_master_is_preempted_addresses_first() {
    let mut router = Router::started(config(150));
    for _ in 0..3 {
        router.pass(ms(1000)).does(advert(BELOW, 100));
    }
    router.until(Timer::MasterDown);
    assert_eq!(
        router.timeout(),
        "Hold 1 +5s, Backup→Preempting MasterLesser"
    );
    let there = router.pass(ms(3)).held();
    assert_eq!(
        there,
        "Advertise 150, Announce, Preempting→Master MasterLesser"
    );
}

#[test]
fn a_preemptor_waits_twenty_milliseconds_for_its_addresses() {
    let mut router = Router::started(config(150));
    router.pass(ms(3000)).does(advert(BELOW, 100));
    router.until(Timer::MasterDown);
    router.timeout();
    assert_eq!(router.due_in(Timer::Acquire), Some(ms(20)));
    router.until(Timer::Acquire);
    assert_eq!(
        router.timeout(),
        "Advertise 150, Announce, Preempting→Master MasterLesser"
    );
}

#[test]
fn a_lesser_master_that_fell_silent_is_not_preempted_but_replaced() {
    let mut router = Router::started(config(150));
    router.does(advert(BELOW, 100));
    router.until(Timer::MasterDown);
    assert!(router.timeout().starts_with("Advertise 150"));
}

#[test]
fn a_preemptor_that_hears_a_better_one_lets_go() {
    for rival in [150, 151, 255] {
        let mut router = Router::started(config(150));
        router.pass(ms(3000)).does(advert(BELOW, 100));
        router.until(Timer::MasterDown);
        router.timeout();
        let lets_go = router.says(advert(ABOVE, rival));
        assert_eq!(lets_go, "Release, Preempting→Backup Outranked");
        assert_eq!(router.due_in(Timer::MasterDown), Some(DOWN));
    }
}

#[test]
fn without_preemption_a_lesser_master_stays_while_it_lives() {
    let mut router = Router::started(config(150).preempt(Preempt::Forbid));
    for _ in 0..20 {
        router.run(ms(1000));
        router.does(advert(BELOW, 100));
        assert_eq!(router.due_in(Timer::MasterDown), Some(DOWN));
    }
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("MasterSilent"));
}

#[test]
fn the_owner_preempts_even_if_that_is_forbidden() {
    let mut router = Router::ready(config(255).preempt(Preempt::Forbid));
    assert!(router.says(Input::Startup).ends_with("Owner"));
    router.does(advert(ABOVE, 255));
    router.pass(ms(2000)).does(advert(BELOW, 254));
    // Its timer has gone on running.
    assert_eq!(router.due_in(Timer::MasterDown), Some(ns(1_003_906_250)));
}

#[test]
fn the_preempt_delay_runs_from_the_first_lesser_advertisement() {
    let mut router = Router::started(config(150).preempt(delayed(ms(10_000))));
    router.pass(ms(500)).does(advert(BELOW, 100));
    for _ in 0..9 {
        router.run(ms(1000));
        router.does(advert(BELOW, 100));
    }
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(1000)));
    router.until(Timer::PreemptDelay);
    assert!(router.timeout().ends_with("Backup→Preempting MasterLesser"));
}

#[test]
fn a_better_master_ends_the_preempt_delay_and_so_does_a_stop() {
    for (source, priority) in [(ABOVE, 200), (BELOW, 0)] {
        let mut router = Router::started(config(150).preempt(delayed(ms(10_000))));
        router.does(advert(BELOW, 100));
        router.does(advert(source, priority));
        assert_eq!(router.due_in(Timer::PreemptDelay), None);
    }
}

#[test]
fn a_lesser_master_that_dies_during_the_preempt_delay_is_replaced_in_time() {
    let mut router = Router::started(config(150).preempt(delayed(ms(60_000))));
    router.does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::MasterDown), Some(DOWN));
    router.until(Timer::MasterDown);
    assert!(router.timeout().ends_with("MasterSilent"));
    assert_eq!(router.due_in(Timer::PreemptDelay), None);
}

#[test]
fn no_mastership_is_taken_during_the_startup_delay() {
    let mut router = Router::started(config(150).startup_delay(ms(30_000)));
    let log = router.run(ms(29_999));
    assert_eq!(log, []);
    router.until(Timer::MasterDown);
    assert_eq!(router.now, super::support::epoch() + ms(30_000));
    assert!(router.timeout().ends_with("MasterSilent"));
}

#[test]
fn neither_a_preempt_delay_nor_a_stop_shortens_the_startup_delay() {
    let delays = config(150)
        .startup_delay(ms(30_000))
        .preempt(delayed(ms(5000)));
    let mut router = Router::started(delays);
    router.pass(ms(1000)).does(advert(BELOW, 100));
    assert_eq!(router.due_in(Timer::PreemptDelay), Some(ms(29_000)));

    let mut router = Router::started(config(150).startup_delay(ms(30_000)));
    router.does(advert(ABOVE, 0));
    assert_eq!(router.run(ms(29_999)), []);
}

#[test]
fn an_owner_waits_for_its_startup_delay_and_not_longer() {
    for delay in [1000, 30_000] {
        let mut router = Router::started(config(255).startup_delay(ms(delay)));
        assert_eq!(router.state(), State::Backup);
        assert_eq!(router.due_in(Timer::MasterDown), Some(ms(delay)));
        for _ in 0..delay / 1000 {
            router.does(advert(BELOW, 100));
            router.run(ms(999));
            router.pass(ms(1));
        }
        assert!(router.timeout().contains("Preempting MasterLesser"));
    }
}

#[test]
fn a_recovered_owner_is_master_at_once_again() {
    let mut router = Router::started(config(255).startup_delay(ms(1000)));
    router.until(Timer::MasterDown);
    router.timeout();
    router.does(Input::Link(Link::Down));
    assert!(router.says(Input::Link(Link::Up)).ends_with("Master Owner"));
}

#[test]
fn an_advertisement_of_another_version_or_v2_interval_is_refused() {
    let v2_config = Config::new(v2(1), Priority::new(150)).expect("a priority");
    for (config, theirs) in [
        (v2_config, v2(2)),
        (v2_config, v3(100)),
        (config(150), v2(1)),
    ] {
        let mut router = Router::started(config);
        let refused = router.tries(advert_every(ABOVE, 200, theirs));
        assert!(matches!(refused, Err(Rejected::Interval { .. })));
        assert_eq!(router.election.stats().interval_mismatches, 1);
        assert_eq!(router.election.master(), None);
    }
}

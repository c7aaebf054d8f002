//! What simulation has found, shrunk, and stays found. `docs/testing.md` tells the stories.

#![expect(clippy::expect_used, reason = "a test fails where it cannot go on")]

use locum_vrrp_election::Election;
use testkit::sim::{Checks, Record, Scenario, run};

fn holds(text: &str) {
    let mut scenario: Scenario = text.parse().expect("a scenario");
    // It ended where the invariant broke.
    scenario.end = scenario.end + testkit::sim::Nanos::secs(60);
    let outcome = run::<Election>(&scenario, Checks::all(), Record::Nothing);
    assert_eq!(outcome.violation, None);
}

#[test]
fn seed_8415_a_goodbye_after_a_rivals_last_advertisement_is_heeded() {
    holds(include_str!(
        "found/goodbye-after-a-rivals-last-advertisement.scenario"
    ));
}

#[test]
fn seed_9473_a_successor_that_stops_at_once_is_none() {
    holds(include_str!("found/successor-that-stops-at-once.scenario"));
}

#[test]
fn seed_10933_a_preempt_delay_is_not_for_whoever_stands_beside_a_better_master() {
    holds(include_str!(
        "found/preempt-delay-beside-a-better-master.scenario"
    ));
}

#[test]
fn seed_12747_a_preemptor_that_cannot_send_does_not_take_the_clients() {
    holds(include_str!("found/preemptor-that-cannot-send.scenario"));
}

#[test]
fn seed_68981_a_second_fault_while_leaving_is_said() {
    holds(include_str!("found/second-fault-while-leaving.scenario"));
}

#[test]
fn seed_8635_a_fault_of_a_moment_without_a_successor_leaves_no_gap() {
    holds(include_str!(
        "found/fault-of-a-moment-without-a-successor.scenario"
    ));
}

#[test]
fn seed_6895_who_steps_back_makes_up_for_no_announcement() {
    holds(include_str!(
        "found/announcement-of-a-former-master.scenario"
    ));
}

#[test]
fn seed_8399_the_last_words_of_a_quicker_master_do_not_shorten_the_wait() {
    holds(include_str!(
        "found/last-words-of-a-quicker-master.scenario"
    ));
}

#[test]
fn seed_8528_the_kernel_ends_a_lease_that_is_cut_short() {
    holds(include_str!("found/lease-that-is-cut-short.scenario"));
}

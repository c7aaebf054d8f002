//! Deadlines served early or late: a busy machine, a stopped process, a paused virtual machine.

use locum_vrrp_wire::Priority;

use super::support::{ABOVE, BELOW, Router, advert, config, epoch, ms, ns};
use crate::config::LeasePolicy;
use crate::interface::{Input, Link, State, Timer};

const DOWN: core::time::Duration = ns(3_414_062_500);

#[test]
fn an_early_timeout_changes_nothing() {
    let mut router = Router::master(config(150));
    let before = router.election.poll_timeout();
    for _ in 0..49 {
        assert_eq!(router.pass(ms(1)).timeout(), "");
        assert_eq!(router.election.poll_timeout(), before);
    }
}

#[test]
fn time_never_runs_back() {
    let mut router = Router::master(config(150));
    router.run(ms(900));
    let before = router.election.poll_timeout();
    router.now = epoch();
    assert_eq!(router.timeout(), "");
    assert_eq!(router.election.poll_timeout(), before);
}

#[test]
fn a_backup_a_little_late_takes_over_at_once() {
    let mut router = Router::started(config(150));
    router.pass(DOWN + ms(1));
    assert!(router.timeout().ends_with("MasterSilent"));
}

#[test]
fn a_backup_that_was_stopped_reads_what_came_meanwhile_before_it_takes_over() {
    // Late by less than an interval: it listens as long as it was late. By more: for an interval.
    for (late, listens) in [
        (ms(4), ms(4)),
        (ms(600), ms(600)),
        (ms(1000), ms(1000)),
        (ms(9000), ms(1000)),
    ] {
        let mut router = Router::started(config(150));
        router.does(advert(ABOVE, 200));
        assert_eq!(router.pass(DOWN + late).timeout(), "", "{late:?}");
        assert_eq!(router.due_in(Timer::MasterDown), Some(listens));
        let mut living = router.clone();
        living.pass(ns(1)).does(advert(ABOVE, 200));
        assert_eq!(living.due_in(Timer::MasterDown), Some(DOWN));
        // It listens once only.
        router.pass(ms(5000));
        assert!(router.timeout().ends_with("MasterSilent"));
    }
}

#[test]
fn a_new_priority_does_not_end_the_listening() {
    let mut router = Router::started(config(150));
    router.does(advert(ABOVE, 255));
    router.pass(DOWN + ms(9000)).timeout();
    router.does(Input::SetPriority(Priority::new(200)));
    assert_eq!(router.timeout(), "");
    assert_eq!(router.due_in(Timer::MasterDown), Some(ms(1000)));
}

#[test]
fn a_preempt_delay_served_late_does_not_act_on_what_was_heard_before() {
    let delayed = config(150).preempt(super::support::delayed(ms(3000)));
    let mut router = Router::started(delayed);
    router.pass(ms(100)).does(advert(BELOW, 100));
    router.pass(ms(2900)).does(advert(BELOW, 100));
    router.pass(ms(9000)).timeout();
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn a_master_stopped_for_less_than_others_wait_goes_on_as_before() {
    let mut router = Router::master(config(150));
    router.run(ms(10_100));
    // Last advertised at 10 s; 3.4 s later somebody as good may have taken over.
    router.pass(ms(3300));
    assert_eq!(router.timeout(), "Advertise 150, Hold 1 +5s");
    assert_eq!(router.due_in(Timer::Advertise), Some(ms(1000)));
}

#[test]
fn a_master_stopped_for_as_long_as_others_wait_announces_again() {
    let mut router = Router::master(config(150));
    router.run(ms(10_100));
    router.pass(ms(3315));
    assert_eq!(router.timeout(), "Advertise 150, Announce, Hold 1 +5s");
    assert_eq!(
        router.announces(ms(60_000)),
        [50, 150, 500, 1000, 5000, 6500]
    );
}

#[test]
fn a_master_stopped_for_longer_than_its_lease_is_a_backup() {
    let mut router = Router::master(config(150));
    router.run(ms(10_100));
    let (_, until) = router.election.holds().expect("held");
    let until = until.expect("leased");
    let mut in_time = router.clone();
    in_time.now = until - ns(1);
    in_time.timeout();
    assert_eq!(in_time.state(), State::Master);

    router.now = until;
    assert_eq!(router.timeout(), "Release, Master→Backup LeaseLapsed");
    assert_eq!(router.due_in(Timer::MasterDown), Some(DOWN));
    assert_eq!(router.election.stats().leases_lapsed, 1);
}

#[test]
fn whatever_wakes_it_a_lapsed_lease_comes_first() {
    for input in [advert(BELOW, 100), Input::Shutdown, Input::Link(Link::Up)] {
        let mut router = Router::master(config(150));
        let text = router.pass(ms(60_000)).says(input);
        assert!(
            text.starts_with("Release, Master→Backup LeaseLapsed"),
            "{text}"
        );
    }
}

#[test]
fn an_owner_whose_lease_lapsed_listens_before_it_is_master_again() {
    for delay in [0, 1000] {
        let mut router = Router::started(config(255).startup_delay(ms(delay)));
        router.run(ms(2000));
        assert_eq!(router.state(), State::Master);
        router.pass(ms(60_000)).timeout();
        assert_eq!(router.state(), State::Backup);
        assert_eq!(router.due_in(Timer::MasterDown), Some(ns(3_003_906_250)));
    }
}

#[test]
fn without_a_lease_a_master_stays_master_and_says_so() {
    let config = config(150).lease(LeasePolicy::Off).expect("possible");
    let mut router = Router::master(config);
    router.run(ms(10_100));
    assert_eq!(
        router.pass(ms(3_600_000)).timeout(),
        "Advertise 150, Announce"
    );
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_leaver_that_was_stopped_has_left() {
    let mut router = Router::master(config(150));
    router.does(Input::Shutdown);
    let gone = router.pass(ms(3600)).timeout();
    assert!(gone.starts_with("Advertise 0, "), "{gone}");
    assert!(
        gone.ends_with("Release, Leaving→Initialize NoSuccessor"),
        "{gone}"
    );
}

#[test]
fn late_deadlines_are_counted() {
    let mut router = Router::master(config(150));
    router.pass(ms(60)).timeout();
    assert_eq!(router.election.stats().late_timeouts, 0);
    router.pass(ms(2000)).timeout();
    assert_eq!(router.election.stats().late_timeouts, 1);
}

//! The measurement itself, on real keepalived, whose outages are known. Needs root and keepalived.
#![expect(
    clippy::unwrap_used,
    reason = "a laboratory that cannot be built fails its test"
)]

use std::time::Duration;

use locum_lab::failover::{self, Event, Family, Implementation, Phase, Progress, Scenario};

fn finds_what_is_known_of_keepalived(family: Family) {
    let scenario = Scenario::new(Implementation::Keepalived)
        .family(family)
        .interval(Duration::from_millis(100))
        .addresses(2)
        .runs(1);
    let mut reported = Vec::new();
    let mut owners_seen = (false, false);
    let outcome = failover::run(&scenario, |progress| match progress {
        Progress::Measured(measurement) => reported.push(*measurement),
        Progress::Tick(view) => {
            owners_seen.0 |= view.a.owner && view.a.answers;
            owners_seen.1 |= view.b.owner && view.phase == Phase::Event(Event::HostDeath);
        }
        _ => {}
    })
    .unwrap();
    assert_eq!(owners_seen, (true, true));
    assert_eq!(outcome.measurements, reported);
    let of = |event| reported.iter().filter(move |each| each.event == event);
    for event in [Event::HostDeath, Event::PlannedStop] {
        // Half, since on a busy machine the last advertisement may have been late, and so may the address be removed.
        let least = failover::theory(&scenario, event).min / 2;
        assert!(of(event).count() > 0);
        assert!(
            of(event).all(|each| each.outage >= least && each.lost > 0),
            "{reported:?}"
        );
    }
    // It waits for 3 intervals and its skew before it preempts.
    let wait = Duration::from_millis(300);
    assert!(
        of(Event::Preemption).all(|each| each.moved_after >= wait),
        "{reported:?}"
    );
    assert!(failover::table(&[outcome]).contains("host death"));
}

#[test]
fn keepalived_with_ipv4() {
    finds_what_is_known_of_keepalived(Family::Ipv4);
}

#[test]
fn keepalived_with_ipv6() {
    finds_what_is_known_of_keepalived(Family::Ipv6);
}

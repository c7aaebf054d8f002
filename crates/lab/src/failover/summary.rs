//! From measurements to a table.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::{Event, Family, Implementation, Outcome, Scenario, micros};

/// What the undisturbed measurements of one event have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// What happened.
    pub event: Event,
    /// How many undisturbed measurements there are.
    pub runs: usize,
    /// How many were left out because the machine stalled.
    pub disturbed: usize,
    /// The shortest outage.
    #[serde(rename = "min_us", serialize_with = "micros")]
    pub min: Duration,
    /// The median of the outages; of two in the middle, the longer.
    #[serde(rename = "median_us", serialize_with = "micros")]
    pub median: Duration,
    /// The longest outage.
    #[serde(rename = "max_us", serialize_with = "micros")]
    pub max: Duration,
    /// The median of the lost probes.
    pub median_lost: u32,
    /// The most probes lost in one run.
    pub max_lost: u32,
    /// The median of the times until the other router answered.
    #[serde(rename = "moved_after_us", serialize_with = "micros")]
    pub moved_after: Duration,
}

impl Outcome {
    /// The summary of one event; `None` if there is no undisturbed measurement of it.
    #[must_use]
    pub fn summary(&self, event: Event) -> Option<Summary> {
        let ours = self.measurements.iter().filter(|each| each.event == event);
        let disturbed = ours.clone().filter(|each| !each.stall.is_zero()).count();
        let calm: Vec<_> = ours.filter(|each| each.stall.is_zero()).collect();
        let outages = sorted(calm.iter().map(|each| each.outage));
        let lost = sorted(calm.iter().map(|each| each.lost));
        Some(Summary {
            event,
            runs: calm.len(),
            disturbed,
            min: *outages.first()?,
            median: median(&outages)?,
            max: *outages.last()?,
            median_lost: median(&lost)?,
            max_lost: *lost.last()?,
            moved_after: median(&sorted(calm.iter().map(|each| each.moved_after)))?,
        })
    }
}

fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values
}

fn median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len() / 2).copied()
}

/// The least and the longest outage that the standard, or our own promise, lets expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a range")]
pub struct Theory {
    /// The least.
    #[serde(rename = "min_us", serialize_with = "micros")]
    pub min: Duration,
    /// The longest.
    #[serde(rename = "max_us", serialize_with = "micros")]
    pub max: Duration,
}

/// What to expect of `event`. Death: 2 to 3 intervals and the skew time of B (RFC 9568 §6.1, RFC 3768 §6.1), by when
/// in the interval A dies. A planned stop: nothing of director, the skew time of keepalived. Preemption: nothing.
#[must_use]
pub fn theory(scenario: &Scenario, event: Event) -> Theory {
    let unit = if scenario.version == 2 {
        Duration::from_secs(1)
    } else {
        scenario.interval
    };
    let skew = unit * (256 - u32::from(PRIORITY_B)) / 256;
    let (min, max) = match (event, &scenario.implementation) {
        (Event::HostDeath, _) => (2 * scenario.interval + skew, 3 * scenario.interval + skew),
        (Event::PlannedStop, Implementation::Keepalived) => (skew, skew),
        (Event::PlannedStop, Implementation::Director(_)) | (Event::Preemption, _) => {
            (Duration::ZERO, Duration::ZERO)
        }
    };
    Theory { min, max }
}

/// B's priority.
pub(super) const PRIORITY_B: u8 = 100;

/// A table for people: a row for each event and implementation, outages in milliseconds.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<22} {:<13} {:<11} {:>26} {:>15} {:>15} {:>5}\n",
        "", "", "", "outage ms min/median/max", "theory ms", "lost median/max", "runs"
    );
    for outcome in outcomes {
        for event in [Event::HostDeath, Event::PlannedStop, Event::Preemption] {
            row(&mut text, outcome, event);
        }
    }
    text
}

fn row(text: &mut String, outcome: &Outcome, event: Event) {
    let scenario = &outcome.scenario;
    let family = match scenario.family {
        Family::Ipv4 => "",
        Family::Ipv6 => " IPv6",
    };
    let interval = ms(scenario.interval);
    let title = format!(
        "v{}{family} {interval} ms x{}",
        scenario.version, scenario.addresses
    );
    let Theory { min, max } = theory(scenario, event);
    let expected = if min == max {
        ms(min)
    } else {
        format!("{}-{}", ms(min), ms(max))
    };
    let (outage, lost, runs) = match outcome.summary(event) {
        Some(s) => {
            let left_out = match s.disturbed {
                0 => String::new(),
                disturbed => format!(" (+{disturbed} disturbed)"),
            };
            (
                format!("{} / {} / {}", ms(s.min), ms(s.median), ms(s.max)),
                format!("{} / {}", s.median_lost, s.max_lost),
                format!("{}{left_out}", s.runs),
            )
        }
        None => ("-".to_owned(), "-".to_owned(), "0".to_owned()),
    };
    // Writing to a String cannot fail.
    let _written = writeln!(
        text,
        "{title:<22} {event:<13} {:<11} {outage:>26} {expected:>15} {lost:>15} {runs:>5}",
        scenario.implementation
    );
}

/// Milliseconds with one digit, without a needless zero.
pub(super) fn ms(duration: Duration) -> String {
    let tenths = (duration.as_micros() + 50) / 100;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Measurement;
    use super::{Duration, Event, Implementation, Outcome, Scenario, Theory, table, theory};

    const MS: Duration = Duration::from_millis(1);

    fn outcome(outages: &[(u32, u32)]) -> Outcome {
        let measurement = |&(outage, stall): &(u32, u32)| Measurement {
            event: Event::HostDeath,
            outage: outage * MS,
            lost: 2 * outage,
            moved_after: outage * MS,
            stall: stall * MS,
        };
        let scenario = Scenario::new(Implementation::Keepalived).interval(10 * MS);
        Outcome {
            scenario,
            measurements: outages.iter().map(measurement).collect(),
        }
    }

    #[test]
    fn disturbed_measurements_are_left_out() {
        let outcome = outcome(&[(30, 0), (28, 0), (99, 12), (36, 0)]);
        let summary = outcome.summary(Event::HostDeath).unwrap();
        assert_eq!((summary.runs, summary.disturbed), (3, 1));
        assert_eq!(
            (summary.min, summary.median, summary.max),
            (28 * MS, 30 * MS, 36 * MS)
        );
        assert_eq!((summary.median_lost, summary.max_lost), (60, 72));
        assert_eq!(outcome.summary(Event::Preemption), None);
    }

    #[test]
    fn theory_is_the_standards() {
        let scenario = Scenario::new(Implementation::Keepalived);
        let skew = Duration::from_micros(609_375);
        let death = theory(&scenario, Event::HostDeath);
        let second = Duration::from_secs(1);
        assert_eq!(
            death,
            Theory {
                min: 2 * second + skew,
                max: 3 * second + skew
            }
        );
        let stop = theory(&scenario.clone().interval(10 * MS), Event::PlannedStop);
        assert_eq!(stop.max, skew / 100);
        // The skew of VRRPv2 does not depend on the interval.
        let stop = theory(
            &scenario.version(2).interval(10 * second),
            Event::PlannedStop,
        );
        assert_eq!(stop.max, skew);
    }

    #[test]
    fn the_table_shows_each_event() {
        let text = table(&[outcome(&[(30, 0), (28, 0), (99, 12), (36, 0)])]);
        let rows: Vec<_> = text.lines().collect();
        assert_eq!(rows.len(), 4);
        assert!(
            rows[1].contains("28 / 30 / 36") && rows[1].contains("26.1-36.1"),
            "{text}"
        );
        assert!(
            rows[1].contains("3 (+1 disturbed)") && rows[2].contains(" - "),
            "{text}"
        );
    }
}

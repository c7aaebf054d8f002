//! From single probes to what the client saw.

use std::time::Duration;

use serde::Serialize;

use crate::Mac;

/// One probe, as recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) sent: Duration,
    /// `None`: no answer, or too late a one.
    pub(super) rtt: Option<Duration>,
    pub(super) copies: u8,
    pub(super) by: Option<Mac>,
}

impl Probe {
    pub(super) fn answered(&self) -> bool {
        self.rtt.is_some()
    }
}

/// A time without answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outage {
    /// When the last answered probe before it was sent, since the prober's start.
    pub start: Duration,
    /// From then until the first answered probe after it was sent; if there is none, the last that was not answered.
    pub length: Duration,
    /// How many probes had no answer.
    pub lost: u32,
    /// Was there an answer after it?
    pub ended: bool,
}

/// The prober itself was late: what it measured then says more about this machine than about the routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stall {
    /// When a probe was due, since the prober's start.
    pub at: Duration,
    /// How much later it was sent.
    pub length: Duration,
}

/// From when on another hardware address answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Responder {
    /// When the first probe it answered was sent, since the prober's start.
    pub from: Duration,
    /// Who answered.
    pub mac: Mac,
}

/// What the client saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// Probes sent.
    pub sent: u32,
    /// Probes answered in time.
    pub answered: u32,
    /// Probes not answered, those before the first answer included.
    pub lost: u32,
    /// Answers beyond the first.
    pub duplicates: u32,
    /// The slowest answer.
    pub slowest: Duration,
    /// When the first and the last answered probe were sent.
    pub answered_span: Option<(Duration, Duration)>,
    /// Every time without answers between two answers, and the one at the end.
    pub outages: Vec<Outage>,
    /// Who answered, in order; a new entry whenever it changes.
    pub responders: Vec<Responder>,
    /// When the prober itself was late.
    pub stalls: Vec<Stall>,
}

impl ProbeReport {
    /// The longest outage; zero if there is none.
    #[must_use]
    pub fn longest_outage(&self) -> Duration {
        self.outages
            .iter()
            .map(|outage| outage.length)
            .max()
            .unwrap_or_default()
    }

    /// Probes lost between two answers, or after the last one: what a failover cost.
    #[must_use]
    pub fn lost_in_outages(&self) -> u32 {
        self.outages.iter().map(|outage| outage.lost).sum()
    }

    /// Did the prober keep its own time?
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        self.stalls.is_empty()
    }

    pub(super) fn snapshot(&self, now: Duration) -> Snapshot {
        let open = self.outages.iter().find(|outage| !outage.ended);
        let never = self.answered == 0 && self.sent > 0;
        Snapshot {
            sent: self.sent,
            answered: self.answered,
            lost: self.lost,
            responder: self.responders.last().map(|last| last.mac),
            silent_for: open
                .map(|outage| now.saturating_sub(outage.start))
                .or_else(|| never.then_some(now)),
        }
    }
}

/// What the client sees at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Probes sent in the window.
    pub sent: u32,
    /// How many of them were answered.
    pub answered: u32,
    /// How many of them were not.
    pub lost: u32,
    /// Who answered last; `None` if nobody did in the window.
    pub responder: Option<Mac>,
    /// Since when there is no answer: known after the prober's patience.
    pub silent_for: Option<Duration>,
}

/// Probes sent after `settled` that are last in a row without answer are not judged yet.
pub(super) fn analyse(probes: &[Probe], settled: Duration, stalls: Vec<Stall>) -> ProbeReport {
    let last = probes
        .iter()
        .rposition(|probe| probe.answered() || probe.sent <= settled);
    let probes = probes
        .get(..last.map_or(0, |last| last + 1))
        .unwrap_or_default();
    let mut report = ProbeReport {
        stalls,
        ..ProbeReport::default()
    };
    // The last answered probe so far, and what was lost since.
    let mut before: Option<Duration> = None;
    let mut lost = 0;
    let mut end = Duration::ZERO;
    for probe in probes {
        report.sent += 1;
        report.duplicates += u32::from(probe.copies.saturating_sub(1));
        end = probe.sent;
        let Some(rtt) = probe.rtt else {
            report.lost += 1;
            lost += 1;
            continue;
        };
        report.answered += 1;
        report.slowest = report.slowest.max(rtt);
        if let Some(mac) = probe.by
            && report.responders.last().is_none_or(|last| last.mac != mac)
        {
            report.responders.push(Responder {
                from: probe.sent,
                mac,
            });
        }
        if let Some(start) = before
            && lost > 0
        {
            let length = probe.sent.saturating_sub(start);
            report.outages.push(Outage {
                start,
                length,
                lost,
                ended: true,
            });
        }
        lost = 0;
        let first = report.answered_span.map_or(probe.sent, |(first, _)| first);
        report.answered_span = Some((first, probe.sent));
        before = Some(probe.sent);
    }
    if let Some(start) = before
        && lost > 0
    {
        let length = end.saturating_sub(start);
        report.outages.push(Outage {
            start,
            length,
            lost,
            ended: false,
        });
    }
    report
}

#[cfg(test)]
mod tests {
    use super::{Duration, Outage, Probe, analyse};
    use crate::Mac;

    /// A probe each millisecond: `.` lost, a digit: answered so often by host 1 (`a`: by host 2).
    fn probes(pattern: &str) -> Vec<Probe> {
        let probe = |(at, sign): (u64, char)| Probe {
            sent: Duration::from_millis(at),
            rtt: (sign != '.').then_some(Duration::from_micros(40)),
            copies: sign
                .to_digit(10)
                .map_or_else(|| u8::from(sign == 'a'), |n| u8::try_from(n).unwrap()),
            by: match sign {
                '.' => None,
                'a' => Some(Mac::new([2; 6])),
                _ => Some(Mac::new([1; 6])),
            },
        };
        (0..).zip(pattern.chars()).map(probe).collect()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_outage_is_from_the_last_answered_probe_to_the_next() {
        let report = analyse(&probes("..11..aa1.1"), 100 * MS, Vec::new());
        let outage = |start, length, lost| Outage {
            start: start * MS,
            length: length * MS,
            lost,
            ended: true,
        };
        assert_eq!(report.outages, [outage(3, 3, 2), outage(8, 2, 1)]);
        assert_eq!((report.sent, report.answered, report.lost), (11, 6, 5));
        assert_eq!(report.longest_outage(), 3 * MS);
        assert_eq!(report.lost_in_outages(), 3);
        let from: Vec<_> = report.responders.iter().map(|r| r.from).collect();
        assert_eq!(from, [2 * MS, 6 * MS, 8 * MS]);
    }

    #[test]
    fn an_outage_at_the_end_counts_only_when_its_probes_are_settled() {
        assert_eq!(analyse(&probes("11.."), MS, Vec::new()).outages, []);
        let report = analyse(&probes("11..."), 3 * MS, Vec::new());
        let outage = Outage {
            start: MS,
            length: 2 * MS,
            lost: 2,
            ended: false,
        };
        assert_eq!(report.outages, [outage]);
        assert_eq!(report.sent, 4);
    }

    #[test]
    fn copies_are_duplicates() {
        let report = analyse(&probes("1213"), 100 * MS, Vec::new());
        assert_eq!((report.answered, report.duplicates, report.lost), (4, 3, 0));
        assert_eq!(report.outages, []);
    }
}

//! What was seen, in words and as JSON, and whether it is as it should be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use locum_lab::{Advert, LoadReport, ProbeReport};
use serde::Serialize;

use super::footprint::Footprint;

/// The router that stays: the site's first.
const VRID: u8 = 51;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    reloads: u16,
    took_ms: u128,
    slowest_reload_ms: u128,
    probes: u32,
    lost_probes: u32,
    slowest_probe_us: u128,
    /// How many machines have answered.
    answered_by: usize,
    requests: u32,
    failed_requests: u32,
    longest_gap_ms: u128,
    /// Who advertised for the router that stays.
    masters: usize,
    before: Footprint,
    after: Footprint,
}

/// The advertisements of the router that stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaps {
    longest: Duration,
    masters: usize,
}

impl Gaps {
    pub(super) fn of(adverts: &[Advert]) -> Self {
        let ours = adverts.iter().filter(|advert| advert.vrid == VRID);
        let mut last: Option<Duration> = None;
        let (mut longest, mut masters) = (Duration::ZERO, BTreeMap::new());
        for advert in ours {
            let before = last.replace(advert.at).unwrap_or(advert.at);
            longest = longest.max(advert.at.saturating_sub(before));
            masters.insert(advert.source, ());
        }
        Self {
            longest,
            masters: masters.len(),
        }
    }
}

impl Report {
    pub(super) fn new(
        reloads: u16,
        [took, slowest]: [Duration; 2],
        [before, after]: [Footprint; 2],
        probes: &ProbeReport,
        requests: &LoadReport,
        gaps: Gaps,
    ) -> Self {
        Self {
            reloads,
            took_ms: took.as_millis(),
            slowest_reload_ms: slowest.as_millis(),
            probes: probes.sent,
            lost_probes: probes.lost,
            slowest_probe_us: probes.slowest.as_micros(),
            answered_by: probes.responders.len(),
            requests: requests.successes() + requests.failed(),
            failed_requests: requests.failed(),
            longest_gap_ms: gaps.longest.as_millis(),
            masters: gaps.masters,
            before,
            after,
        }
    }

    pub(super) fn is_as_it_should(&self) -> bool {
        self.lost_probes == 0
            && self.answered_by == 1
            && self.masters == 1
            && self.failed_requests == 0
            && self.after.processes == self.before.processes
            && self.after.descriptors <= self.before.descriptors
            && self.after.threads <= self.before.threads
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} reloads in {} ms, the slowest took {} ms",
            self.reloads, self.took_ms, self.slowest_reload_ms
        )?;
        writeln!(
            f,
            "{} of {} probes lost, the slowest answer {} us, answered by {}",
            self.lost_probes, self.probes, self.slowest_probe_us, self.answered_by
        )?;
        writeln!(
            f,
            "{} of {} requests failed",
            self.failed_requests, self.requests
        )?;
        writeln!(
            f,
            "{} master(s), {} ms between two of its advertisements at most",
            self.masters, self.longest_gap_ms
        )?;
        writeln!(f, "before: {}\nafter:  {}", self.before, self.after)?;
        let words = if self.is_as_it_should() {
            "as"
        } else {
            "NOT as"
        };
        writeln!(
            f,
            "It is {words} it should be: nothing lost, one master, no more descriptors and threads."
        )
    }
}

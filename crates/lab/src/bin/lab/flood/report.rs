//! What the flood did, in words and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use locum_lab::flood::{Hostile, Sent};
use serde::Serialize;

use super::counted::{Counted, OVERFLOWS};
use super::scene::{Flooded, OnTheWire};
use crate::routers::Population;

/// So many packets in a second, or the lab was too slow to show anything.
const FAST: u64 = 50_000;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    kernel: String,
    routers: u8,
    interval_ms: u128,
    /// Was the flood as fast as it could be?
    unlimited: bool,
    sent: Sent,
    rate: u64,
    /// Longest times between two advertisements of version 3: without, and with the flood.
    quiet_worst_gap_us: u128,
    flooded_worst_gap_us: u128,
    /// Later than without the flood, and than a tenth of the interval.
    late: u64,
    hosts: [OfAHost; 2],
}

#[derive(Debug, Serialize)]
struct OfAHost {
    name: &'static str,
    /// Changes of state: there should be none.
    changes: u64,
    /// What became of the packets, by reason.
    packets: BTreeMap<String, u64>,
    /// Genuine advertisements that were heard among them.
    genuine: u64,
    /// Hostile packets that its kernel refused: a replay of its own advertisement has its own address as its source.
    martian: u64,
    /// Hostile packets that nobody knows of.
    missing: u64,
}

impl OfAHost {
    fn new(
        name: &'static str,
        counted: &(Counted, Counted),
        sent: &Sent,
        genuine: u64,
        martian: u64,
    ) -> Self {
        let (before, after) = counted;
        let packets = after.since(before);
        let known: u64 = packets.values().sum();
        let moved = before
            .states
            .iter()
            .zip(&after.states)
            .filter(|(a, b)| a != b);
        let moved = u64::try_from(moved.count()).unwrap_or(u64::MAX);
        Self {
            name,
            changes: moved + after.became_master.saturating_sub(before.became_master),
            missing: (sent.total() + genuine).saturating_sub(known + martian),
            packets,
            genuine,
            martian,
        }
    }

    fn overflows(&self) -> u64 {
        self.packets.get(OVERFLOWS).copied().unwrap_or(0)
    }
}

impl Report {
    pub(super) fn new(
        population: Population,
        rate: Option<u32>,
        quiet: &OnTheWire,
        flooded: Flooded,
    ) -> Self {
        let Flooded {
            sent,
            wire,
            counted,
        } = flooded;
        let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let replayed = sent.by_kind.get(&Hostile::Replayed).copied().unwrap_or(0);
        let [master, backup] = &counted;
        let genuine = wire.v3.adverts + wire.v2.adverts;
        Self {
            kernel: version.trim_end().to_owned(),
            routers: population.routers,
            interval_ms: population.interval.as_millis(),
            unlimited: rate.is_none(),
            rate: sent.rate(),
            quiet_worst_gap_us: quiet.v3.worst_gap.as_micros(),
            flooded_worst_gap_us: wire.v3.worst_gap.as_micros(),
            late: wire.v3.late + wire.v2.late,
            hosts: [
                OfAHost::new("master", master, &sent, 0, replayed),
                OfAHost::new("backup", backup, &sent, genuine, 0),
            ],
            sent,
        }
    }

    pub(super) fn is_as_it_should(&self) -> bool {
        let fast = !self.unlimited || self.rate >= FAST;
        let undisturbed = |host: &OfAHost| host.changes == 0 && host.missing == 0;
        fast && self.late == 0 && self.hosts.iter().all(undisturbed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} virtual routers, an advertisement each {} ms, Linux {}\n\
             {} hostile packets in {:.1?}: {} in a second\n\
             longest time between two advertisements: {} us, without the flood {} us; {} late",
            self.routers,
            self.interval_ms,
            self.kernel,
            self.sent.total(),
            self.sent.took,
            self.rate,
            self.flooded_worst_gap_us,
            self.quiet_worst_gap_us,
            self.late
        )?;
        for (kind, count) in &self.sent.by_kind {
            writeln!(f, "  sent {:<34}{count:>10}", format!("{kind:?}"))?;
        }
        for host in &self.hosts {
            writeln!(f, "{}: {} changes of state", host.name, host.changes)?;
            for (reason, count) in &host.packets {
                writeln!(f, "  {reason:<39}{count:>10}")?;
            }
            if host.martian > 0 {
                writeln!(
                    f,
                    "  {:<39}{:>10}",
                    "refused by the kernel (its own address)", host.martian
                )?;
            }
            writeln!(f, "  {:<39}{:>10}", "not accounted for", host.missing)?;
        }
        let overflows: u64 = self.hosts.iter().map(OfAHost::overflows).sum();
        writeln!(
            f,
            "Dropped by the kernel for want of room, at most: {overflows}. All this is {} it should: no change of state, nothing late, nothing missing{}.",
            if self.is_as_it_should() {
                "as"
            } else {
                "NOT as"
            },
            if self.unlimited {
                format!(", at least {FAST} packets a second")
            } else {
                String::new()
            }
        )
    }
}

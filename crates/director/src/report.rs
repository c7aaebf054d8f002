//! From what the library says of a router to what the program reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_vrrp::{GroupStatus, RouterConfig, RouterStatus, State};

use crate::journal::Chapter;
use crate::status::{AddressReport, MasterReport, RouterReport, SyncGroupReport};

/// The report on a router, of its settings, its state and what its log remembers.
pub(crate) fn router(
    now: Instant,
    config: &RouterConfig,
    status: &RouterStatus,
    chapter: &Chapter,
) -> RouterReport {
    RouterReport {
        name: status.name.to_string(),
        interface: status.interface.to_string(),
        vrid: status.vrid.get(),
        version: version(status),
        priority: status.priority.get(),
        state: status.state.into(),
        state_for_ms: millis(now.saturating_duration_since(status.since)),
        reason: chapter.reason.clone(),
        source: status.source,
        master: master(now, status),
        addresses: status
            .addresses
            .iter()
            .map(|one| AddressReport {
                address: one.address,
                held: one.held,
            })
            .collect(),
        faults: chapter.faulty.explain(status.faults, config),
        counters: counters(status),
        changed: Vec::new(),
    }
}

/// The report on a sync group.
pub(crate) fn sync_group(now: Instant, status: &GroupStatus) -> SyncGroupReport {
    let names = |all: &[Arc<str>]| all.iter().map(ToString::to_string).collect();
    SyncGroupReport {
        name: status.name.to_string(),
        members: names(&status.members),
        state: status.state.into(),
        state_for_ms: millis(now.saturating_duration_since(status.since)),
        held_back_by: names(&status.held_back_by),
        changed: Vec::new(),
    }
}

const fn version(status: &RouterStatus) -> u8 {
    match status.version {
        locum_vrrp::Version::V2 => 2,
        locum_vrrp::Version::V3 => 3,
    }
}

fn master(now: Instant, status: &RouterStatus) -> Option<MasterReport> {
    if let (State::Master | State::Leaving, Some(source)) = (status.state, status.source) {
        return Some(MasterReport {
            address: source,
            priority: status.priority.get(),
            here: true,
            heard_ms_ago: 0,
        });
    }
    status.master.map(|master| MasterReport {
        address: master.source,
        priority: master.priority.get(),
        here: false,
        heard_ms_ago: millis(now.saturating_duration_since(master.at)),
    })
}

pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn counters(status: &RouterStatus) -> BTreeMap<String, u64> {
    let (stats, dropped, link) = (&status.stats, &status.dropped, &status.link);
    [
        ("addresses_restored", status.addresses_restored),
        ("adverts_not_sent", stats.adverts_not_sent),
        ("adverts_received", stats.adverts_received),
        ("adverts_sent", stats.adverts_sent),
        ("announcements_sent", status.announcements_sent),
        ("became_master", stats.became_master),
        ("dropped_ah_icv", dropped.ah_icv),
        ("dropped_ah_replayed", dropped.ah_replayed),
        ("dropped_authentication", dropped.authentication),
        ("dropped_checksum", dropped.checksum),
        ("dropped_delivery", dropped.delivery),
        ("dropped_hmac_malformed", dropped.hmac_malformed),
        ("dropped_hmac_missing", dropped.hmac_missing),
        ("dropped_hmac_replayed", dropped.hmac_replayed),
        ("dropped_hmac_stale", dropped.hmac_stale),
        ("dropped_hmac_tag", dropped.hmac_tag),
        ("dropped_hmac_unknown_key", dropped.hmac_unknown_key),
        (
            "dropped_interval",
            dropped.interval + stats.interval_mismatches,
        ),
        ("dropped_length", dropped.length),
        ("dropped_no_addresses", dropped.no_addresses),
        ("dropped_other", dropped.other),
        ("dropped_own_address", stats.own_address_heard),
        ("dropped_packet_type", dropped.packet_type),
        ("dropped_password", dropped.password),
        ("dropped_ttl", dropped.ttl),
        ("dropped_unknown_peer", dropped.unknown_peer),
        ("dropped_version", dropped.version),
        ("holds_failed", stats.holds_failed),
        ("late_timeouts", stats.late_timeouts),
        ("leases_lapsed", stats.leases_lapsed),
        ("lesser_masters_heard", stats.lesser_masters_heard),
        ("link_malformed", link.malformed),
        ("link_receive_errors", link.receive_errors),
        ("link_receive_queue_overflows", link.receive_queue_overflows),
        ("link_unknown_vrid", link.unknown_vrid),
        ("other_addresses_heard", dropped.other_addresses),
        ("priority_zero_received", stats.priority_zero_received),
        ("priority_zero_sent", stats.priority_zero_sent),
        ("unsigned_heard", dropped.unsigned),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count))
    .collect()
}

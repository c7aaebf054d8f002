//! How long things may take, from the configuration of a virtual router on all machines.

use locum_vrrp_election::transcript::Parameters;
use locum_vrrp_election::{Config, Preempt};
use locum_vrrp_wire::Version;

use super::{MachinePlan, Nanos};

/// A preemptor waits so long for its addresses.
const ACQUIRE: Nanos = Nanos::millis(20);
/// A Master that hands over answers for so long after it was succeeded, and so much longer for each address.
const LINGER: (Nanos, Nanos) = (Nanos::millis(50), Nanos::micros(500));
/// The shortest and the longest time that a Master waits for its successor.
const LEAVE: (Nanos, Nanos) = (Nanos::millis(250), Nanos::secs(5));
/// What failed is tried again after that at the latest.
pub(crate) const RETRY: Nanos = Nanos::secs(10);
/// The kernel removes an address so long after its lifetime at the latest.
pub(crate) const GRANULARITY: Nanos = Nanos::millis(1250);
/// The longest that a packet takes and a call of the address driver for one address, while all is well, and some
/// wake-ups: 5 ms in all.
pub(crate) const SLACK: Nanos = Nanos::millis(5);

/// Of one VRID.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The longest interval.
    pub(crate) interval: Nanos,
    /// The longest master-down interval.
    pub(crate) down: Nanos,
    /// The longest skew time.
    pub(crate) skew: Nanos,
    /// The longest lease.
    pub(crate) lease: Nanos,
    /// The longest wait for a successor.
    pub(crate) leave: Nanos,
    /// The longest overlap after the successor's first advertisement.
    pub(crate) linger: Nanos,
    /// The longest preempt delay.
    pub(crate) preempt_delay: Nanos,
}

impl Bounds {
    pub(crate) fn of(machines: &[MachinePlan], vrid: u8) -> Self {
        let each = |what: fn(&Parameters) -> Nanos| {
            let routers = machines
                .iter()
                .filter_map(|plan| plan.routers.get(usize::from(vrid)));
            let values = routers.filter_map(Option::as_ref).map(what);
            values.max().unwrap_or_default()
        };
        let interval = each(|one| one.interval.duration().into());
        let skew = each(whole_skew);
        let missed = each(|one| Nanos(u64::from(one.missed_adverts.get())));
        let addresses = each(|one| Nanos(u64::from(one.addresses)));
        let leave = interval.times(2) + skew;
        Self {
            interval,
            down: interval.times(missed.0) + skew,
            skew,
            lease: each(|one| {
                let lease = Config::try_from(one)
                    .ok()
                    .and_then(|one| one.lease_duration());
                lease.map_or(Nanos::NEVER, Nanos::from)
            }),
            leave: leave.clamp(LEAVE.0, LEAVE.1),
            linger: LINGER.0 + LINGER.1.times(addresses.0),
            preempt_delay: each(|one| match one.preempt {
                Preempt::Allow { delay } => delay.into(),
                Preempt::Forbid => Nanos::ZERO,
            }),
        }
    }

    /// How long after the last trouble exactly one is Master and has the addresses. Somebody may just have begun to
    /// leave (and finds no successor), or wake up late (and listens for an interval); then the wait for a Master,
    /// after which a better one may have to wait until its preempt delay is past; an advertisement later the others
    /// know. What failed before is tried again after 10 s at most.
    pub(crate) fn settling(&self, failed: bool) -> Nanos {
        let preempting = if self.preempt_delay == Nanos::ZERO {
            Nanos::ZERO
        } else {
            self.preempt_delay + self.interval
        };
        let retry = if failed { RETRY } else { Nanos::ZERO };
        let usual = self.leave + self.interval + self.down + self.interval;
        retry + usual + preempting + ACQUIRE + self.linger + SLACK
    }

    /// How long after a planned move there may be two owners: the preemptor adds its addresses before it advertises,
    /// and the one that leaves answers for a while after that.
    pub(crate) fn handover(&self) -> Nanos {
        ACQUIRE + self.linger + SLACK
    }

    /// How long after trouble there may be two owners. A request that was late is rounded up by a second at most.
    pub(crate) fn second_owner(&self) -> Nanos {
        self.lease + Nanos::secs(1) + GRANULARITY + SLACK
    }

    /// Does the one that leaves answer for long enough even if its successor has missed the first goodbye?
    pub(crate) fn overlap_is_certain(&self) -> bool {
        self.interval + self.skew + SLACK < self.leave
    }
}

/// The skew time of priority 1, or a little more.
fn whole_skew(one: &Parameters) -> Nanos {
    match one.interval.version() {
        Version::V2 => Nanos::secs(1),
        Version::V3 => one.interval.duration().into(),
    }
}

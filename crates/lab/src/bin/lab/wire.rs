//! Advertisements on the wire: how late the latest of them was.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use locum_lab::Advert;

/// What was seen between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) adverts: u64,
    /// Those that came longer after the one before than is allowed.
    pub(crate) late: u64,
    /// The longest time between two of one virtual router.
    pub(crate) worst_gap: Duration,
    /// How often another router advertised than the one before: changes of the master.
    pub(crate) moves: u64,
}

/// How long after the one before an advertisement may come that is sent each `interval`: a tenth of it is forgiven.
pub(crate) fn allowed_gap(interval: Duration) -> Duration {
    interval + interval / 10
}

impl Seen {
    /// Reads `adverts`, in the order in which they were sent, at most `allowed` apart.
    pub(crate) fn of(adverts: &[Advert], allowed: Duration) -> Self {
        let each = adverts
            .iter()
            .map(|advert| (advert.vrid, advert.source, advert.at));
        Self::of_each(each, allowed)
    }

    fn of_each(adverts: impl Iterator<Item = (u8, IpAddr, Duration)>, allowed: Duration) -> Self {
        let mut last: BTreeMap<u8, (IpAddr, Duration)> = BTreeMap::new();
        let mut seen = Self::default();
        for (vrid, source, at) in adverts {
            seen.adverts += 1;
            if let Some((previous, before)) = last.insert(vrid, (source, at)) {
                let gap = at.saturating_sub(before);
                seen.worst_gap = seen.worst_gap.max(gap);
                seen.late += u64::from(gap > allowed);
                seen.moves += u64::from(previous != source);
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_those_of_each_router() {
        let (a, b) = (IpAddr::from([10, 64, 0, 1]), IpAddr::from([10, 64, 0, 2]));
        let millis = Duration::from_millis;
        let adverts = [
            (1, a, millis(0)),
            (2, a, millis(50)),
            (1, a, millis(110)),
            (2, b, millis(161)),
            (1, a, millis(210)),
        ];
        let seen = Seen::of_each(adverts.into_iter(), allowed_gap(millis(100)));
        let expected = Seen {
            adverts: 5,
            late: 1,
            worst_gap: millis(111),
            moves: 1,
        };
        assert_eq!(seen, expected);
    }
}

//! How long the kernel is told to keep an address.

use std::num::NonZeroU32;
use std::time::Instant;

use crate::driver::Lease;

/// What the kernel understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    Forever,
    Seconds(NonZeroU32),
}

/// The lifetime of an address that is put there `now`; `None` if its time has passed.
///
/// The kernel counts whole seconds. Rounded up: the address must not go before the lease does.
pub(crate) fn lifetime(lease: Lease, now: Instant) -> Option<Lifetime> {
    let until = match lease {
        Lease::Permanent => return Some(Lifetime::Forever),
        Lease::Until(until) => until,
    };
    let left = until.checked_duration_since(now)?;
    let seconds = left
        .as_secs()
        .saturating_add(u64::from(left.subsec_nanos() > 0));
    // The largest number means for ever.
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).min(u32::MAX - 1);
    NonZeroU32::new(seconds).map(Lifetime::Seconds)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seconds(left: Duration) -> Option<u32> {
        let now = super::super::clock();
        match lifetime(Lease::Until(now + left), now)? {
            Lifetime::Forever => None,
            Lifetime::Seconds(seconds) => Some(seconds.get()),
        }
    }

    #[test]
    fn what_is_left_is_rounded_up() {
        assert_eq!(seconds(Duration::from_secs(3)), Some(3));
        assert_eq!(seconds(Duration::from_nanos(2_000_000_001)), Some(3));
        assert_eq!(seconds(Duration::from_nanos(1)), Some(1));
        assert_eq!(seconds(Duration::from_secs(1 << 33)), Some(u32::MAX - 1));
    }

    #[test]
    fn nothing_is_left_at_the_end_and_after_it() {
        assert_eq!(seconds(Duration::ZERO), None);
        let now = super::super::clock();
        assert_eq!(
            lifetime(Lease::Until(now), now + Duration::from_secs(1)),
            None
        );
        assert_eq!(lifetime(Lease::Permanent, now), Some(Lifetime::Forever));
    }
}

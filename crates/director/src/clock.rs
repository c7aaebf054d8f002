//! The only place of this crate that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is a driver, and this its one clock"
    )]
    Instant::now()
}

/// The time of day, in milliseconds since 1970: for people and other machines, never to measure with.
pub(crate) fn wall_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is a driver, and this its one clock"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

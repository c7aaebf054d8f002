//! The only place of this crate that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is a driver, and this its one clock"
    )]
    Instant::now()
}

/// The moment that CLOCK_MONOTONIC, in nanoseconds, tells: of this machine, by any process; `None` for one before it ran.
pub(crate) fn at_monotonic(ns: u64) -> Option<Instant> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let elapsed = Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    );
    let age = elapsed.saturating_sub(Duration::from_nanos(ns));
    now().checked_sub(age)
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

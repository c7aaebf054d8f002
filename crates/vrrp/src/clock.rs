//! The one place that reads the clocks.

use std::time::{Duration, Instant, SystemTime};

/// The time now; simulated where tokio's clock is paused.
#[expect(
    clippy::disallowed_methods,
    reason = "drivers read the clock, and this one only here"
)]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of the calendar now, since 1970: what the stamps of others are compared with.
#[expect(
    clippy::disallowed_methods,
    reason = "drivers read the clock, and this one only here"
)]
pub(crate) fn wall() -> Duration {
    // A clock before 1970 is wrong in any case.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

//! The one place that reads the clock.

use std::time::Instant;

/// The time now; simulated where tokio's clock is paused.
#[expect(
    clippy::disallowed_methods,
    reason = "drivers read the clock, and this one only here"
)]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

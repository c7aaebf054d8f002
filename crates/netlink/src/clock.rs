//! The one place that reads the clock: every wait for the kernel has a deadline.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "a driver: its deadlines are real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

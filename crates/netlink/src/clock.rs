//! The one place that reads the clock: every wait for the kernel has a deadline.

use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "a driver: its deadlines are real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// When waiting ends. Time runs from when it is first asked how much is left: most answers are there before anybody has to
/// wait, and reading the clock is a system call on some machines.
#[derive(Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    at: Option<Instant>,
}

impl Deadline {
    pub(crate) const fn after(timeout: Duration) -> Self {
        Self { timeout, at: None }
    }

    pub(crate) fn left(&mut self) -> Duration {
        let now = now();
        let timeout = self.timeout;
        self.at
            .get_or_insert_with(|| now + timeout)
            .saturating_duration_since(now)
    }
}

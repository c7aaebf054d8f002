//! The one place where the laboratory reads clocks, and how it waits.

use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec};

use crate::LabError;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the laboratory is a driver: it measures real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Sleeps until `CLOCK_MONOTONIC` shows `nanos`.
pub(crate) fn sleep_until(nanos: u64) {
    let request = Timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
    };
    while rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &request)
        == Err(rustix::io::Errno::INTR)
    {}
}

/// Waits until `condition` holds, asking each 2 ms.
///
/// # Errors
///
/// [`LabError::Timeout`] with `awaited` in the message, if it does not hold within `bound`.
///
/// ```
/// use std::time::Duration;
/// locum_lab::wait_until("the sky to stay up", Duration::from_secs(1), || true)?;
/// # Ok::<(), locum_lab::LabError>(())
/// ```
pub fn wait_until(
    awaited: &str,
    bound: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<(), LabError> {
    let start = now();
    loop {
        if condition() {
            return Ok(());
        }
        if now().duration_since(start) >= bound {
            return Err(LabError::Timeout {
                awaited: awaited.to_owned(),
                bound,
            });
        }
        thread::sleep(Duration::from_millis(2));
    }
}

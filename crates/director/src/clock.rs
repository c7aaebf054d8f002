//! The only place of this crate that reads a clock.

use std::time::Instant;

pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is a driver, and this its one clock"
    )]
    Instant::now()
}

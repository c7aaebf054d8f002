//! For tests only: an epoch to count time from, fakes of the workspace's traits, and a simulated LAN.

mod addresses;
pub mod sim;

use std::time::Instant;

pub use self::addresses::{Call, Failure, FakeAddresses, Operation};

/// A moment to count simulated time from: the only clock that tests read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one clock of tests")]
pub fn epoch() -> Instant {
    tokio::time::Instant::now().into_std()
}

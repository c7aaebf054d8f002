//! How a router begins.

use std::time::Instant;

/// How a router begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Start {
    /// It waits for a Master first, as the standard says. Addresses that an earlier process of ours left behind are
    /// taken away.
    Fresh,
    /// It takes the place of a process that died as Master, and is Master at once if its interface is there, up and has a
    /// source while the last advertisement is less than two intervals old. Otherwise it begins as [`Self::Fresh`].
    Adopt {
        /// When the one that died sent its last advertisement.
        advertised: Instant,
    },
}

//! Whoever has to know at once that a router is Master.

use std::fmt;

/// Is told of each advertisement that a router sends as Master, and when it is Master no more: what another process has
/// to know that takes its place should this one die.
///
/// Both functions are called on the election's thread and must not wait, lock what others hold for long, or panic.
pub trait Beat: fmt::Debug + Send + Sync {
    /// An advertisement was sent, to one peer at least.
    fn advertised(&self);

    /// The router has said goodbye, was outranked, or has lost what it needs to be Master.
    fn ended(&self);
}

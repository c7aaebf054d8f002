//! Rise and fall: from single probes to a state.

/// What is known of a server by one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever counts servers must know all three"
)]
pub enum Health {
    /// Not checked yet.
    #[default]
    Unknown,
    /// Works.
    Up,
    /// Does not.
    Down,
}

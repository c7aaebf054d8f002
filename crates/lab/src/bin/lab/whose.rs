//! Which of the two programs is measured.

use std::fmt;

use clap::ValueEnum;

/// Whose program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Whose {
    Director,
    Keepalived,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Whose {
    /// Its name in the table and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::Keepalived => "keepalived",
        }
    }
}

//! Which sides there are, and what supervision needs of their messages.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{checker, programs, routers};

/// A part of the program that can run as a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Side {
    /// Virtual services and their servers.
    Checker,
    /// The operator's programs.
    Programs,
    /// Elections and addresses.
    Routers,
}

impl Side {
    /// As an argument, in the name of its socket, and in logs and status.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Checker => "checker",
            Self::Programs => "programs",
            Self::Routers => "routers",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Told to a side.
pub(crate) trait ToSide: Serialize + DeserializeOwned + Send + 'static {
    /// Asks for the notice of which [`ToParent::hello`] is this number.
    fn hello(number: u64) -> Self;
    /// Asks for an orderly end.
    fn stop() -> Self;
}

/// Told by a side.
pub(crate) trait ToParent: Serialize + DeserializeOwned + Send + 'static {
    /// The number of the answered hello, if it is that.
    fn hello(&self) -> Option<u64>;
}

macro_rules! messages {
    ($($side:ident),*) => {$(
        impl ToSide for $side::Order {
            fn hello(number: u64) -> Self {
                Self::Hello(number)
            }
            fn stop() -> Self {
                Self::Stop
            }
        }

        impl ToParent for $side::Notice {
            fn hello(&self) -> Option<u64> {
                if let Self::Hello(number) = self {
                    Some(*number)
                } else {
                    None
                }
            }
        }
    )*};
}

messages!(checker, programs, routers);

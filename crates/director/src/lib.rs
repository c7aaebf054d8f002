#![doc = include_str!("../README.md")]

mod capability;
pub mod cli;
pub mod client;
mod clock;
pub mod config;
mod control;
mod director;
mod fault;
mod journal;
mod logging;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the driver of the pools is not there yet"
    )
)]
mod pool;
mod report;
mod signals;
pub mod site;
pub mod status;
mod supervisor;
mod table;
mod words;

pub use self::capability::{CapabilityError, Needed};
pub use self::control::ControlError;
pub use self::supervisor::{Ended, RunError, run};

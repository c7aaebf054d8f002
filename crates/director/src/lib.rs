#![doc = include_str!("../README.md")]

mod capability;
mod checker;
pub mod cli;
pub mod client;
mod clock;
pub mod config;
mod control;
mod director;
mod fault;
mod journal;
mod logging;
mod notify;
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

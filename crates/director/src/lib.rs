#![doc = include_str!("../README.md")]

mod capability;
mod checker;
pub mod cli;
pub mod client;
mod clock;
pub mod config;
mod control;
mod diff;
mod director;
mod doctor;
mod fault;
mod journal;
mod logging;
mod machine;
mod notify;
mod pool;
mod real_server;
mod recorder;
mod reload;
mod report;
mod sequence;
mod signals;
pub mod site;
pub mod status;
mod supervisor;
mod sysctl;
mod table;
mod words;

pub use self::capability::{CapabilityError, Needed};
pub use self::control::ControlError;
pub use self::supervisor::{Ended, RunError, run};

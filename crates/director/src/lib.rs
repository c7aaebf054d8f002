#![doc = include_str!("../README.md")]

mod capability;
mod checker;
pub mod cli;
pub mod client;
mod clock;
pub mod config;
pub mod control;
mod diff;
mod doctor;
pub mod events;
mod fault;
mod hub;
mod journal;
mod logging;
mod machine;
pub mod notify;
mod overrides;
mod pool;
mod process;
mod programs;
mod real_server;
mod recorder;
mod report;
mod routers;
mod sequence;
mod signals;
pub mod site;
pub mod status;
mod sys;
mod sysctl;
mod table;
mod track;
mod words;

pub use self::capability::{CapabilityError, Needed};
pub use self::control::ControlError;
pub use self::hub::{Ended, Mode, Options, RunError, run};

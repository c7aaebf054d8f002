#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod election;
mod group;
mod interface;
mod timers;
pub mod transcript;

pub use self::config::{AnnounceSchedule, Config, ConfigError, LeasePolicy, Preempt};
pub use self::election::{Election, MasterSeen};
pub use self::group::{SyncGroup, SyncGroupError};
pub use self::interface::{
    Action, Advert, Deadline, Effect, Faults, HoldId, Input, Link, Reason, Rejected, State, Stats,
    Timer, Tracking, Transition,
};

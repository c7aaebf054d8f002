#![doc = include_str!("../README.md")]

mod capture;
mod child;
mod clock;
mod error;
pub mod failover;
pub mod flood;
mod host;
pub mod kernel;
mod lan;
mod log;
mod mac;
mod peer;
mod privilege;
mod prober;
mod random;
pub mod site;
mod sys;
pub mod tour;
mod web;

pub use self::capture::{Advert, Capture, Frame};
pub use self::child::{Child, Signal};
pub use self::clock::wait_until;
pub use self::error::LabError;
pub use self::host::Host;
pub use self::lan::{Impairment, Lan, owners};
pub use self::log::{Line, Log, LogMark};
pub use self::mac::{Mac, ParseMacError};
pub use self::peer::director::Director;
pub use self::peer::frr::{self, Frr};
pub use self::peer::keepalived::{self, Keepalived};
pub use self::privilege::require_privileges;
pub use self::prober::{Outage, ProbeConfig, ProbeReport, Prober, Responder, Snapshot, Stall};
pub use self::web::{
    ConnectionReport, Exchange, Failure, LoadClient, LoadConfig, LoadReport, LongConnection,
    WebServer,
};

#![doc = include_str!("../README.md")]

mod attribute;
mod clock;
mod connection;
mod error;
mod message;
mod monitor;
mod namespace;
mod proc;
mod request;
mod socket;
mod sys;
mod worker;

#[cfg(test)]
mod tests;

pub use self::attribute::{Attribute, Attributes, attributes};
pub use self::connection::{Connection, Limits, MAX_BATCH};
pub use self::error::{RequestError, WorkerError};
pub use self::message::Message;
pub use self::monitor::{Event, Monitor};
pub use self::namespace::Namespace;
pub use self::proc::{ProcessEvent, ProcessMonitor};
pub use self::request::{Request, flag};
pub use self::socket::Family;
pub use self::worker::{Engine, Worker};

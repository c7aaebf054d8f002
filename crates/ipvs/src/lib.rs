#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod destinations;
#[cfg(feature = "fake")]
pub mod fake;
mod op;
mod plan;
mod table;
mod types;
pub mod wire;

pub use self::client::{ApplyError, AsyncClient, Client, QueryError, Transport};
pub use self::destinations::{Destinations, Iter as DestinationsIter};
pub use self::op::Op;
pub use self::plan::{Removal, plan, plan_lazily, plan_with};
pub use self::table::{ActualService, Snapshot, Table, TableError};
pub use self::types::*;
pub use locum_netlink::{Connection, Limits, Namespace, WorkerError};

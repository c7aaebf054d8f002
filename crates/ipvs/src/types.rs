//! What a virtual server is made of.

mod daemon;
mod destination;
mod entry;
mod number;
mod scheduler;
mod service;

pub use self::daemon::{
    InterfaceName, InvalidGroup, Role, SyncDaemon, SyncDaemonEntry, TimeoutChange, Timeouts,
};
pub use self::destination::{
    Destination, DestinationKey, Forward, GreChecksum, GueChecksum, Thresholds, Tunnel,
};
pub(crate) use self::entry::SERVICE_FLAGS;
pub use self::entry::{
    DestinationEntry, DestinationSettings, ForwardMethod, Info, Netmask, ServiceEntry,
    ServiceSettings, Stats,
};
pub use self::number::{InvalidName, OutOfRange, Seconds, Weight};
pub use self::scheduler::{Hashing, PersistenceEngine, Scheduler};
pub use self::service::{InvalidService, IpFamily, Persistence, Protocol, Service, ServiceKey};

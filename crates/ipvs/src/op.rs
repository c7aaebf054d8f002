//! What can be asked of the kernel.

use crate::types::{
    Destination, DestinationKey, DestinationSettings, Role, Service, ServiceKey, SyncDaemon,
    TimeoutChange,
};

/// One change to the kernel's IPVS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Adds a destination that is not there.
    AddDestination(ServiceKey, Destination),
    /// Adds a service that is not there.
    AddService(Service),
    /// Sets a destination's weight to 0 and leaves the rest of these settings, which were read, as they are.
    DrainDestination(ServiceKey, DestinationKey, DestinationSettings),
    /// Replaces all settings of a destination that is there.
    EditDestination(ServiceKey, Destination),
    /// Replaces all settings of a service that is there.
    EditService(Service),
    /// Removes every service.
    Flush,
    /// Removes a destination; what becomes of its connections is `expire_nodest_conn`'s affair.
    RemoveDestination(ServiceKey, DestinationKey),
    /// Removes a service and its destinations.
    RemoveService(ServiceKey),
    /// Changes how long the kernel remembers connections.
    SetTimeouts(TimeoutChange),
    /// Starts a synchronisation daemon.
    StartDaemon(SyncDaemon),
    /// Stops a synchronisation daemon. If it was started a moment ago and has not run yet, the kernel stops it without an
    /// answer, and the outcome is [`ApplyError::Unknown`](crate::ApplyError::Unknown).
    StopDaemon(Role),
    /// Sets the counters of one service to zero, or of all.
    Zero(Option<ServiceKey>),
}

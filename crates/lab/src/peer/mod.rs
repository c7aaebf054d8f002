//! Real implementations of VRRP, running in hosts.

pub(crate) mod director;
pub mod frr;
pub mod keepalived;

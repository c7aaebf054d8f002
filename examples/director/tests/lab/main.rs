//! The pair on real hosts: network namespaces, real sockets, real ARP, and real keepalived as a peer.
//!
//! Needs root (`cargo xtask test` arranges it) and Debian's `iproute2` and `keepalived`; without them it fails and says so.

mod crash;
mod doctor;
mod drift;
mod freeze;
mod groups;
mod lossless;
mod many;
mod opposite;
mod program;
mod real_server;
mod site;
mod without_ipvs;

/// What a test returns: the first thing that went wrong.
type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

//! The pair on real hosts: network namespaces, real sockets, real ARP, and real keepalived and FRR as peers.
//!
//! Needs root (`cargo xtask test` arranges it) and Debian's `iproute2`, `keepalived` and `frr`; without them it fails and says so.

mod authentication;
mod crash;
mod doctor;
mod drift;
mod freeze;
mod frr;
mod groups;
mod lossless;
mod many;
mod opposite;
mod processes;
mod program;
mod real_server;
mod record;
mod site;
mod without_ipvs;
mod without_routers;

/// What a test returns: the first thing that went wrong.
type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

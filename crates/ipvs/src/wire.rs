//! Changes to bytes, and bytes to entries. Pure: nothing here talks to a kernel.
//!
//! Every message is a `struct genlmsghdr` (command, version, two bytes of nothing) and attributes, as in
//! `linux/ip_vs.h`.

mod id;
pub mod reply;
pub mod request;

pub(crate) use self::id::{attr, command, daemon, destination, info, service, stats};

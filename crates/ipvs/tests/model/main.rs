//! The client, the plan and the wire format against a kernel made of maps.

mod client;
mod plan;
mod strategies;
mod types;
mod wire;

//! The client, the plan and the wire format against a kernel made of maps.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is wrong"
)]

mod client;
mod foreign;
mod plan;
mod strategies;
mod types;
mod wire;

//! Every check against a server of its kind as Debian has it, each in a network namespace of its own, where the usual
//! ports are free. Needs root, `ip`, and the servers: `cargo xtask test` brings them.

#![cfg(all(
    feature = "dns",
    feature = "exec",
    feature = "http",
    feature = "tcp",
    feature = "tls"
))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod dns;
mod ftp;
mod http;
mod https;
mod package;
mod server;
mod smtp;
mod telnet;

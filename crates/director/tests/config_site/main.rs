//! That what a configuration says about virtual services is what the site gets.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as the tests do"
)]

mod checks;
mod many;
mod services;

use locum_director::config::{self, Config, Diagnostics};
use locum_director::site::VirtualService;
use locum_ipvs::Seconds;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

fn try_load(text: &str) -> Result<Config, Diagnostics> {
    let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    config::load("site.toml", text, nothing)
}

fn load(text: &str) -> Config {
    try_load(text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// What is said about `text`, of which there is one mistake.
fn mistake(text: &str) -> String {
    let diagnostics = try_load(text).expect_err("broken");
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    diagnostics
        .iter()
        .map(|each| each.message.clone())
        .collect()
}

fn everything() -> Config {
    load(include_str!("../valid/site.toml"))
}

fn service(config: &Config, name: &str) -> VirtualService {
    let mut services = config.site.services.iter();
    let found = services.find(|service| service.name == name);
    VirtualService::clone(found.expect("a service"))
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn seconds(seconds: u32) -> Seconds {
    Seconds::new(seconds).expect("in range")
}

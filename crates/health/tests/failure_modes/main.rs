//! The checks that connect, against servers on the loopback that fail in every way they can.

#![cfg(all(feature = "http", feature = "tcp", feature = "tls"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod config;
mod http;
mod pki;
mod server;
mod socket;
mod tcp;
mod tls;
mod tls_config;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use locum_health::http::{HttpCheck, HttpConfig};
use locum_health::tcp::{TcpCheck, TcpConfig};
use locum_health::{CheckError, HealthCheck as _, Pass};
use tokio::time::timeout;

/// Fails the test, rather than let it hang.
async fn bounded<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future)
        .await
        .expect("it should have ended long ago")
}

async fn tcp(config: TcpConfig, target: SocketAddr) -> Result<Pass, CheckError> {
    bounded(TcpCheck::new(config).unwrap().check(target)).await
}

async fn http(config: HttpConfig, target: SocketAddr) -> Result<Pass, CheckError> {
    bounded(HttpCheck::new(config).unwrap().check(target)).await
}

/// The text of an error and all its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Asserts that a probe failed, and how.
macro_rules! assert_fails {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            other => panic!("{other:?} is not {}", stringify!($pattern)),
        }
    };
}
pub(crate) use assert_fails;

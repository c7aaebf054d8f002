//! A process without descriptors to spare, which is why this test has a process of its own.

#![cfg(feature = "tcp")]

use std::net::TcpListener;

use locum_health::HealthCheck as _;
use locum_health::tcp::{TcpCheck, TcpConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[tokio::test]
async fn no_descriptors_to_spare_says_nothing_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let check = TcpCheck::new(TcpConfig::default()).unwrap();
    let before = getrlimit(Resource::Nofile);
    // As many as the lowest that is free, so that none is.
    let free = std::fs::File::open("/dev/null").unwrap();
    let lowest = std::os::fd::AsRawFd::as_raw_fd(&free);
    drop(free);
    let limit = Rlimit {
        current: Some(u64::try_from(lowest).unwrap()),
        ..before
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let starved = check.check(target).await;
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(starved.unwrap_err().is_local());
    assert!(check.check(target).await.is_ok());
}

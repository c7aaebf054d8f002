//! Two hosts on one link, and a place for checks to run in one of them.

use std::panic::resume_unwind;

use locum_lab::{Host, Lan};

/// 192.0.2.1 and fd00::1, and 192.0.2.2 and fd00::2. They are joined for as long as the LAN is there.
pub(crate) fn two(names: [&str; 2]) -> ([Host; 2], Lan) {
    let lan = Lan::bridge().unwrap();
    let hosts = names.map(|name| Host::new(name).unwrap());
    for (host, last) in hosts.iter().zip(1..) {
        let addresses = [format!("192.0.2.{last}/24"), format!("fd00::{last}/64")];
        let addresses = addresses.map(|text| text.parse().unwrap());
        lan.attach(host, "eth0", &addresses).unwrap();
    }
    (hosts, lan)
}

/// Runs `job` in `host`, on a thread of its own.
pub(crate) fn block_on<T: Send + 'static>(
    host: &Host,
    job: impl AsyncFnOnce() -> T + Send + 'static,
) -> T {
    let thread = host.thread("checks", || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(job())
    });
    thread
        .unwrap()
        .join()
        .unwrap_or_else(|panic| resume_unwind(panic))
}

//! Events of real processes. Needs root, and a kernel with the connector.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::process::Command;
use std::time::Duration;

use locum_netlink::{ProcessEvent, ProcessMonitor};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const BUFFER: usize = 1 << 20;

fn next(monitor: &mut ProcessMonitor) -> ProcessEvent {
    loop {
        if let Some(event) = monitor.try_next().unwrap() {
            return event;
        }
        let soon = Timespec::try_from(Duration::from_secs(10)).unwrap();
        let ready = poll(&mut [PollFd::new(monitor, PollFlags::IN)], Some(&soon));
        assert_eq!(ready, Ok(1), "no event came");
    }
}

fn open(buffer: usize) -> ProcessMonitor {
    ProcessMonitor::open(buffer).expect("this test needs root and a kernel with CONFIG_PROC_EVENTS")
}

#[test]
fn a_process_begins_and_ends() {
    let mut monitor = open(BUFFER);
    let mut child = Command::new("/bin/true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&ProcessEvent::Exited(pid)) {
        let event = next(&mut monitor);
        match event {
            ProcessEvent::Forked { child, .. } if child == pid => seen.push(event),
            ProcessEvent::Executed(one) | ProcessEvent::Exited(one) if one == pid => {
                seen.push(event);
            }
            ProcessEvent::Executed(_)
            | ProcessEvent::Exited(_)
            | ProcessEvent::Forked { .. }
            | ProcessEvent::Lost
            | ProcessEvent::Renamed(_) => {}
        }
    }
    assert!(
        matches!(
            seen[..],
            [
                ProcessEvent::Forked { .. },
                ProcessEvent::Executed(_),
                ProcessEvent::Exited(_)
            ]
        ),
        "{seen:?}"
    );
}

#[test]
fn a_flood_is_told() {
    let mut monitor = open(64 << 10);
    for _ in 0..500 {
        Command::new("/bin/true").status().unwrap();
    }
    let mut events = (0..100_000).map(|_| next(&mut monitor));
    assert!(events.any(|event| event == ProcessEvent::Lost));
}

//! What is left when the laboratory itself dies. Needs root and keepalived.
#![expect(
    clippy::unwrap_used,
    reason = "a laboratory that cannot be built fails its test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use locum_lab::{Keepalived, require_privileges, wait_until};

const BOUND: Duration = Duration::from_secs(20);

/// State and parent of every process.
fn processes() -> Vec<(u32, String, u32)> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
        Some((pid, rest.next()?.to_owned(), rest.next()?.parse().ok()?))
    };
    pids.filter_map(read).collect()
}

fn descendants(of: u32) -> BTreeSet<u32> {
    let all = processes();
    let mut found = BTreeSet::from([of]);
    // Four generations: laboratory, keepalived, its child, and one to spare.
    for _ in 0..4 {
        let children = all.iter().filter(|(_, _, parent)| found.contains(parent));
        let children: Vec<u32> = children.map(|(pid, _, _)| *pid).collect();
        found.extend(children);
    }
    found.remove(&of);
    found
}

fn nothing_survives(signal: &str) {
    require_privileges().unwrap();
    Keepalived::require().unwrap();
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args([
            "failover",
            "--of",
            "keepalived",
            "--interval",
            "100ms",
            "--runs",
            "1",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Two routers, a parent and a child each.
    wait_until("four processes of keepalived", BOUND, || {
        descendants(lab.id()).len() >= 4
    })
    .unwrap();
    let ours = descendants(lab.id());
    // The shell's own `kill`: a bare Debian has no other.
    let kill = Command::new("sh")
        .args(["-c", &format!("kill {signal} {}", lab.id())])
        .status()
        .unwrap();
    assert!(kill.success());
    assert!(!lab.wait().unwrap().success());
    wait_until("all of them to go", BOUND, || {
        // A zombie that nobody reaps is gone all the same.
        let alive = processes().into_iter().filter(|(_, state, _)| state != "Z");
        alive.filter(|(pid, _, _)| ours.contains(pid)).count() == 0
    })
    .unwrap();
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    nothing_survives("-INT");
}

#[test]
fn nothing_is_left_after_sigkill() {
    nothing_survives("-KILL");
}

//! How much CPU the programs in a host have used.

use std::fs;
use std::time::Duration;

use locum_lab::Host;

/// Of all processes and threads in it that still run.
pub(crate) fn used(host: &Host) -> Duration {
    host.processes().into_iter().map(of_process).sum()
}

fn of_process(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        // It has ended.
        return Duration::ZERO;
    };
    let tasks = tasks.flatten().map(|task| task.path());
    tasks
        .filter_map(|task| {
            let text = fs::read_to_string(task.join("schedstat")).ok()?;
            let nanos = text.split_whitespace().next()?.parse().ok()?;
            Some(Duration::from_nanos(nanos))
        })
        .sum()
}

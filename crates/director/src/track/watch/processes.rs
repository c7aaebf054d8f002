//! Processes, as the kernel tells of them; where it does not, by looking again and again.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use locum_netlink::{ProcessEvent, ProcessMonitor};
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use super::{Finds, LOOK, Watcher};
use crate::track::TrackProcess;
use crate::track::input::Input;
use crate::track::processes::{Facts, Processes};

/// Events of a second or so of a busy machine.
const RECEIVE_BUFFER: usize = 4 << 20;

pub(in crate::track) fn watch(wanted: Vec<TrackProcess>, finds: Finds) -> Watcher {
    Watcher::spawn(async move {
        let mut told = BTreeMap::new();
        let opened = tokio::task::spawn_blocking(|| ProcessMonitor::open(RECEIVE_BUFFER)).await;
        let opened = opened.map_err(io::Error::other).and_then(|opened| opened);
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe; this descriptor is never closed before it"
        )]
        let error = match opened.and_then(AsyncFd::new) {
            Ok(monitor) => follow(monitor, Processes::new(wanted.clone()), &mut told, &finds).await,
            Err(error) => error,
        };
        if finds.is_closed() {
            return;
        }
        tracing::warn!(
            %error,
            "the kernel does not tell of processes here: they are looked at every 2 s"
        );
        let mut processes = Processes::new(wanted);
        while !finds.is_closed() {
            processes.all(all().into_iter());
            tell(&processes, &mut told, &finds).await;
            sleep(LOOK).await;
        }
    })
}

/// Until it fails, and why.
async fn follow(
    mut monitor: AsyncFd<ProcessMonitor>,
    mut processes: Processes,
    told: &mut BTreeMap<String, u32>,
    finds: &Finds,
) -> io::Error {
    processes.all(all().into_iter());
    loop {
        tell(&processes, told, finds).await;
        if finds.is_closed() {
            return io::ErrorKind::BrokenPipe.into();
        }
        let mut ready = match monitor.readable_mut().await {
            Ok(ready) => ready,
            Err(error) => return error,
        };
        // So many at a time: others have their turn, however busy the machine is.
        for _ in 0..256 {
            match ready.get_inner_mut().try_next() {
                Ok(Some(ProcessEvent::Lost)) => processes.all(all().into_iter()),
                Ok(Some(event)) => processes.handle(event, facts),
                Ok(None) => {
                    ready.clear_ready();
                    break;
                }
                Err(error) => return error,
            }
        }
    }
}

async fn tell(processes: &Processes, told: &mut BTreeMap<String, u32>, finds: &Finds) {
    for (name, running) in processes.running() {
        if told.insert(name.clone(), running) != Some(running) {
            let _ = finds.send(Input::Process { name, running }).await;
        }
    }
}

/// All processes of the machine. What cannot be read has ended.
fn all() -> Vec<(u32, Facts)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, facts(pid)?))
        })
        .collect()
}

fn facts(pid: u32) -> Option<Facts> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Facts {
        name: text(name.trim_ascii_end()),
        program: fs::read_link(format!("/proc/{pid}/exe")).ok(),
        words: line.split(|byte| *byte == 0).take(2).map(text).collect(),
    })
}

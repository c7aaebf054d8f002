//! Records for a program that reads a FIFO, as those written for keepalived do.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe::{OpenOptions, Sender};
use tracing::{info, warn};

use super::End;
use crate::words::chain;

/// Writes the records to the end of the queue. What nobody reads waits in the FIFO, which takes 64 KiB (pipe(7)), then in
/// the queue.
pub(super) async fn run(end: End<PathBuf, String>) {
    let path = end.settings.borrow().clone();
    let sender = match open(&path) {
        Ok(sender) => sender,
        Err(error) => {
            let path = path.display();
            warn!("nothing is written to the FIFO {path}: {}", chain(&error));
            while end.queue.next().await.is_some() {
                end.counter.dropped(1);
            }
            return;
        }
    };
    // What had been dropped when it became full.
    let mut full = None;
    while let Some(record) = end.queue.next().await {
        // A record is shorter than PIPE_BUF: it is written as a whole or not at all.
        let written = loop {
            match sender.try_write(record.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if full.is_none() {
                        let path = path.display();
                        warn!("nobody reads the FIFO {path}, and it is full: records wait");
                        full = Some(end.counter.tally().dropped);
                    }
                    if let Err(error) = sender.writable().await {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
                Ok(_) => break Ok(()),
            }
        };
        match written {
            Ok(()) => end.counter.delivered(1),
            Err(error) => {
                end.counter.failed();
                warn!("a record cannot be written to {}: {error}", path.display());
            }
        }
        if end.queue.len() == 0
            && let Some(before) = full.take()
        {
            let dropped = end.counter.tally().dropped - before;
            info!(dropped, "the FIFO {} is read again", path.display());
        }
    }
}

/// Opens it for reading too, which on Linux succeeds at once whether somebody else reads or not (fifo(7)).
fn open(path: &Path) -> io::Result<Sender> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_fifo() => {}
        Ok(_) => return Err(io::Error::other("there is something else at this path")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        Err(error) => return Err(error),
    }
    OpenOptions::new().read_write(true).open_sender(path)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::super::channel;
    use super::*;

    #[tokio::test]
    async fn records_wait_until_somebody_reads_and_the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let (channel, end) = channel(path.clone(), Arc::default());
        let counter = Arc::clone(&channel.counter);
        let task = tokio::spawn(run(end));
        while !path.exists() {
            tokio::task::yield_now().await;
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Far more than it takes, and than may wait.
        let record = |number: usize| format!("INSTANCE \"{}\" MASTER {number}\n", "x".repeat(200));
        let mut last = 0;
        while counter.tally().dropped == 0 {
            for _ in 0..100 {
                last += 1;
                channel.push(record(last));
            }
            tokio::task::yield_now().await;
        }
        let reader = std::thread::spawn({
            let path = path.clone();
            let last = record(last);
            move || {
                let mut lines = Vec::new();
                let mut reader = BufReader::new(fs::File::open(path).unwrap());
                while lines.last() != Some(&last) {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    lines.push(line);
                }
                lines
            }
        });
        drop(channel);
        task.await.unwrap();
        let lines = reader.join().unwrap();
        let tally = counter.tally();
        assert_eq!(tally.delivered, lines.len() as u64);
        assert_eq!(tally.delivered + tally.dropped, last as u64);
        let number = |line: &String| {
            line.rsplit_once(' ')
                .unwrap()
                .1
                .trim()
                .parse::<usize>()
                .unwrap()
        };
        assert!(lines.iter().map(number).is_sorted_by(|a, b| a < b));
    }

    #[tokio::test]
    async fn a_file_of_somebody_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        fs::write(&path, "precious").unwrap();
        let (channel, end) = channel(path.clone(), Arc::default());
        let counter = Arc::clone(&channel.counter);
        channel.push("INSTANCE \"web\" MASTER 100\n".to_owned());
        drop(channel);
        run(end).await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(counter.tally().dropped, 1);
    }
}

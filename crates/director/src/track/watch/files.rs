//! Files with a number in them, watched by inotify(7) on their directories, which sees those that come later too.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use super::{Finds, LOOK, Watcher};
use crate::track::TrackFile;
use crate::track::input::{Content, Input};

/// No number is longer.
const LONGEST: u64 = 64;

pub(in crate::track) fn watch(files: Vec<TrackFile>, finds: Finds) -> Watcher {
    Watcher::spawn(async move {
        let mut told = BTreeMap::new();
        let notify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe; this descriptor is never closed before it"
        )]
        let notify = match notify.map_err(io::Error::from).and_then(AsyncFd::new) {
            Ok(notify) => Some(notify),
            Err(error) => {
                tracing::warn!(%error, "files cannot be watched: they are read every 2 s");
                None
            }
        };
        while !finds.is_closed() {
            // Watched first and read afterwards: nothing happens in between.
            let mut all_watched = notify.is_some();
            for file in &files {
                all_watched &= notify
                    .as_ref()
                    .is_some_and(|notify| add(notify, &file.path));
            }
            for TrackFile { name, path } in &files {
                let content = read(path);
                if told.insert(name.clone(), content.clone()).as_ref() != Some(&content) {
                    let name = name.clone();
                    let _ = finds.send(Input::File { name, content }).await;
                }
            }
            match &notify {
                Some(notify) if all_watched => changed(notify).await,
                // A directory that is missing is looked for.
                Some(notify) => _ = timeout(LOOK, changed(notify)).await,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    })
}

/// Watches the directory of `path`, if it exists.
fn add(notify: &AsyncFd<OwnedFd>, path: &Path) -> bool {
    let flags = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    let directory = path.parent().unwrap_or(path);
    inotify::add_watch(notify.get_ref(), directory, flags).is_ok()
}

/// Waits until something has happened, and takes all of it: it is enough to know that.
async fn changed(notify: &AsyncFd<OwnedFd>) {
    let Ok(mut ready) = notify.readable().await else {
        return;
    };
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(notify.get_ref(), &mut buffer);
    loop {
        match events.next() {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => {
                ready.clear_ready();
                return;
            }
        }
    }
}

fn read(path: &Path) -> Content {
    // Opening a pipe would wait for somebody who writes.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Content::Missing,
        Err(error) => return Content::Unreadable(io::Error::from(error).to_string()),
    };
    let mut bytes = Vec::new();
    if let Err(error) = file.take(LONGEST).read_to_end(&mut bytes) {
        return Content::Unreadable(error.to_string());
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.trim() {
        "" => Content::Number(0),
        number => number.parse().map_or_else(
            |_| Content::Unreadable("not a number".to_owned()),
            Content::Number,
        ),
    }
}

//! What the interfaces and addresses of a namespace are, and how they change.

mod model;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use locum_netlink::{Connection, Event, Family, Limits, Message, Monitor, Namespace, RequestError};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::mpsc;

use self::model::Model;
use crate::driver::LinkIndex;
use crate::link::{Address, Change, Link};
use crate::netlink::rtnl;

/// So many changes may wait to be read; then the watch stands still, until events are lost and all is read again.
const QUEUE: usize = 1024;

/// After a failed attempt to read everything, the next one comes so much later.
const RETRY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Opening sockets and two dumps take milliseconds.
const START: Duration = Duration::from_secs(15);

/// Where and how [`LinkWatch`] works.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain settings, built by callers"
)]
pub struct WatchOptions {
    /// The network namespace; by default that of the thread that starts the watch.
    pub namespace: Namespace,
    /// Bytes of receive buffer to ask for; granted in full only with `CAP_NET_ADMIN`.
    pub receive_buffer: usize,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            namespace: Namespace::default(),
            receive_buffer: 8 << 20,
        }
    }
}

/// The interfaces and addresses of a network namespace, kept up to date by a thread of its own.
///
/// Cheap to clone; the thread ends with the last clone. What it answers is never older than the changes that were sent to
/// the receiver, and may be newer.
#[derive(Clone)]
pub struct LinkWatch(Arc<Shared>);

struct Shared {
    model: Arc<RwLock<Model>>,
    stop: Arc<OwnedFd>,
}

impl LinkWatch {
    /// Reads the present state and watches for changes from there on: the receiver gets those that come later only. When it
    /// ends, the watch has failed. Read it, or drop it.
    ///
    /// # Errors
    ///
    /// When the thread or a socket cannot be made, the namespace not entered, or the state not read.
    pub fn start(options: WatchOptions) -> io::Result<(Self, mpsc::Receiver<Change>)> {
        let WatchOptions {
            namespace,
            receive_buffer,
        } = options;
        let model = Arc::new(RwLock::new(Model::default()));
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (changes, receiver) = mpsc::channel(QUEUE);
        let (started, start) = std::sync::mpsc::sync_channel(1);
        let shared = Shared {
            model: Arc::clone(&model),
            stop: Arc::clone(&stop),
        };
        thread::Builder::new()
            .name("link-watch".to_owned())
            .spawn(move || {
                let opened = namespace
                    .enter()
                    .and_then(|()| Watcher::open(receive_buffer, model));
                let watcher = opened.and_then(|mut watcher| {
                    watcher.read_all().map_err(io::Error::other)?;
                    Ok(watcher)
                });
                match watcher {
                    Ok(watcher) => {
                        let _ = started.send(Ok(()));
                        if let Err(error) = watcher.run(&stop, &changes) {
                            tracing::error!(%error, "the link watch has failed");
                        }
                    }
                    Err(error) => _ = started.send(Err(error)),
                }
            })?;
        start
            .recv_timeout(START)
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok((Self(Arc::new(shared)), receiver))
    }

    /// The interface `index`, if it exists.
    #[must_use]
    pub fn link(&self, index: LinkIndex) -> Option<Link> {
        self.model().link(index).cloned()
    }

    /// The interface called `name`, if it exists.
    #[must_use]
    pub fn link_by_name(&self, name: &str) -> Option<Link> {
        self.model().links().find(|link| link.name == name).cloned()
    }

    /// All interfaces, by index.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.model().links().cloned().collect()
    }

    /// The usable addresses of an interface, in the kernel's order. An IPv6 address that is still being checked
    /// for duplicates, or was found to be one, is not among them.
    #[must_use]
    pub fn addresses(&self, link: LinkIndex) -> Vec<Address> {
        self.model().addresses(link).to_vec()
    }

    fn model(&self) -> RwLockReadGuard<'_, Model> {
        self.0.model.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LinkWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkWatch").finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
    }
}

/// The thread's own.
struct Watcher {
    monitor: Monitor,
    connection: Connection,
    model: Arc<RwLock<Model>>,
    /// Events were lost and the state has not been read since.
    stale: bool,
}

impl Watcher {
    fn open(receive_buffer: usize, model: Arc<RwLock<Model>>) -> io::Result<Self> {
        let groups = [
            rtnl::RTNLGRP_LINK,
            rtnl::RTNLGRP_IPV4_IFADDR,
            rtnl::RTNLGRP_IPV6_IFADDR,
        ];
        Ok(Self {
            monitor: Monitor::open(Family::Route, &groups, receive_buffer)?,
            connection: Connection::open(Family::Route, Limits::default())?,
            model,
            stale: true,
        })
    }

    fn run(mut self, stop: &OwnedFd, changes: &mpsc::Sender<Change>) -> io::Result<()> {
        loop {
            while let Some(event) = self.monitor.try_next()? {
                match event {
                    Event::Lost => self.stale = true,
                    Event::Message(message) => publish(changes, self.apply(&message)),
                }
                if self.stale || is_set(stop) {
                    break;
                }
            }
            if is_set(stop) {
                return Ok(());
            }
            if self.stale {
                match self.read_all() {
                    Ok(found) => {
                        publish(changes, found);
                        publish(changes, vec![Change::Resynced]);
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot read the interfaces; trying again");
                    }
                }
            }
            let mut waits = [
                PollFd::from_borrowed_fd(self.monitor.as_fd(), PollFlags::IN),
                PollFd::new(stop, PollFlags::IN),
            ];
            match poll(&mut waits, self.stale.then_some(&RETRY)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn apply(&self, message: &Message) -> Vec<Change> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        match message.kind() {
            rtnl::RTM_NEWLINK => rtnl::read_link(message).map(|link| model.put_link(link)),
            rtnl::RTM_DELLINK => rtnl::read_link(message).map(|link| model.remove_link(link.index)),
            rtnl::RTM_NEWADDR => rtnl::read_address(message).map(|entry| model.put_address(&entry)),
            rtnl::RTM_DELADDR => {
                rtnl::read_address(message).map(|entry| model.remove_address(&entry))
            }
            _ => None,
        }
        .unwrap_or_default()
    }

    fn read_all(&mut self) -> Result<Vec<Change>, RequestError> {
        let links = self.connection.dump(&rtnl::dump_links())?;
        let addresses = self.connection.dump(&rtnl::dump_addresses(None))?;
        let links = links.iter().filter_map(rtnl::read_link).collect();
        let addresses: Vec<_> = addresses.iter().filter_map(rtnl::read_address).collect();
        self.stale = false;
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        Ok(model.resync(links, &addresses))
    }
}

/// Waits for room. Nobody may be listening: the state is kept all the same.
fn publish(changes: &mpsc::Sender<Change>, list: Vec<Change>) {
    for change in list {
        let _ = changes.blocking_send(change);
    }
}

fn is_set(stop: &OwnedFd) -> bool {
    let now = Timespec::default();
    poll(&mut [PollFd::new(stop, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

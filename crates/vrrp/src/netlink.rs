//! Ready-made: addresses and link facts by the Linux driver of `locum-vip`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use locum_vip::{Change, LinkIndex, LinkWatch, NetlinkAddresses, Options, WatchOptions};
use tokio::sync::mpsc;

use crate::command::Command;
use crate::error::StartError;
use crate::link::LinkFacts;
use crate::node::Node;

/// How many changes are looked at together.
const BATCH: usize = 256;

impl Node {
    /// Starts a node that holds addresses and watches links over netlink, in the network namespace of the calling
    /// thread: all that an embedder needs.
    ///
    /// # Errors
    ///
    /// [`StartError`]; without CAP_NET_RAW, [`StartError::Permission`]. A missing CAP_NET_ADMIN shows when an
    /// address is first held.
    pub fn start_netlink() -> Result<Self, StartError> {
        let driver = NetlinkAddresses::start(Options::default()).map_err(StartError::Netlink)?;
        let (watch, changes) =
            LinkWatch::start(WatchOptions::default()).map_err(StartError::Netlink)?;
        let node = Self::start(Arc::new(driver))?;
        node.follow(watch, changes);
        Ok(node)
    }

    /// Does what [`set_link`](Self::set_link) is for, for every interface, until the node ends. Should the watch
    /// fail, the routers go on with what was last known.
    pub fn follow(&self, watch: LinkWatch, changes: mpsc::Receiver<Change>) {
        // A weak handle: following must not keep the node alive.
        let follow = follow(self.commands.downgrade(), watch, changes);
        self.addresses.spawn(follow);
    }
}

impl LinkFacts {
    /// What `watch` knows of `interface`; `None` if it does not exist.
    #[must_use]
    pub fn of(watch: &LinkWatch, interface: &str) -> Option<Self> {
        let link = watch.link_by_name(interface)?;
        let all = watch.addresses(link.index);
        let sources_that = |secondary| {
            let of_others = all.iter().filter(|one| !one.ours);
            of_others
                .filter(move |one| one.secondary == secondary)
                .map(|one| one.address.addr())
        };
        let sources = sources_that(false).chain(sources_that(true)).collect();
        let addresses: Vec<IpAddr> = all.iter().map(|one| one.address.addr()).collect();
        Some(Self {
            index: link.index,
            up: link.up && link.carrier,
            addresses,
            sources,
        })
    }
}

async fn follow(
    commands: mpsc::WeakUnboundedSender<Command>,
    watch: LinkWatch,
    mut changes: mpsc::Receiver<Change>,
) {
    // An address change names its interface by index, and an interface may change its name.
    let mut names: BTreeMap<LinkIndex, Arc<str>> = BTreeMap::new();
    let mut changed: BTreeSet<Arc<str>> = BTreeSet::new();
    for link in watch.links() {
        let name: Arc<str> = link.name.into();
        changed.insert(Arc::clone(&name));
        names.insert(link.index, name);
    }
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let Some(commands) = commands.upgrade() else {
            return;
        };
        for interface in std::mem::take(&mut changed) {
            let facts = LinkFacts::of(&watch, &interface);
            if commands
                .send(Command::SetLink { interface, facts })
                .is_err()
            {
                return;
            }
        }
        drop(commands);
        if changes.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        for change in batch.drain(..) {
            match change {
                Change::AddressAdded { link, .. } | Change::AddressRemoved { link, .. } => {
                    changed.extend(names.get(&link).cloned());
                }
                Change::LinkAdded(link) | Change::LinkChanged(link) => {
                    let name: Arc<str> = link.name.into();
                    changed.insert(Arc::clone(&name));
                    changed.extend(names.insert(link.index, name));
                }
                Change::LinkRemoved(link) => {
                    changed.insert(link.name.into());
                    names.remove(&link.index);
                }
                // The differences came before.
                Change::Resynced | _ => {}
            }
        }
    }
}

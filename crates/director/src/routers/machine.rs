//! What the virtual routers need of this machine: the node, and the kernel's links and addresses.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use ipnet::IpNet;
use locum_vip::{Leftovers, LinkWatch, NetlinkAddresses, Options, WatchOptions};
use locum_vrrp::{LinkFacts, Node, RouterConfig, StartError};
use thiserror::Error;
use tracing::warn;

use crate::words;

/// Why there is no node.
#[derive(Debug, Error)]
pub(super) enum MachineError {
    #[error("no access to the kernel's interfaces and addresses")]
    Kernel(#[source] io::Error),
    #[error("the virtual routers cannot be run")]
    Start(#[from] StartError),
}

/// The node with what it stands on. A handle: clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) node: Node,
    driver: Arc<NetlinkAddresses>,
    watch: LinkWatch,
}

impl Machine {
    pub(super) fn start(options: Options) -> Result<Self, MachineError> {
        let driver = NetlinkAddresses::start(options).map_err(MachineError::Kernel)?;
        let driver = Arc::new(driver);
        let (watch, changes) =
            LinkWatch::start(WatchOptions::default()).map_err(MachineError::Kernel)?;
        let node = Node::start(Arc::clone(&driver) as Arc<_>)?;
        node.follow(watch.clone(), changes);
        Ok(Self {
            node,
            driver,
            watch,
        })
    }

    /// Has the node know the interface of a router before that is added, so that it does not begin in fault.
    pub(super) fn introduce(&self, config: &RouterConfig) {
        let interface = config.interface();
        let facts = LinkFacts::of(&self.watch, interface);
        self.node.set_link(interface, facts);
    }

    /// Takes away the addresses of routers on an interface that a process that died left behind.
    pub(super) async fn clear(&self, interface: &str, addresses: &BTreeMap<IpNet, &str>) {
        let Some(link) = self.watch.link_by_name(interface) else {
            return;
        };
        // Those that are configured only: others may belong to another process like this one.
        let configured: Vec<IpNet> = addresses.keys().copied().collect();
        let leftovers = Leftovers::Only(&configured);
        match self.driver.remove_leftovers(link.index, leftovers).await {
            Ok(removed) => {
                for address in removed {
                    let same = |(one, _): &(&IpNet, _)| one.addr() == address.addr();
                    let router = addresses.iter().find(same).map(|(_, router)| *router);
                    warn!(
                        router,
                        "removed {address} from {interface}: a process that died left it behind"
                    );
                }
            }
            Err(error) => {
                let why = words::chain(&error);
                warn!(
                    interface,
                    "what a process that died left behind cannot be removed: {why}"
                );
            }
        }
    }
}

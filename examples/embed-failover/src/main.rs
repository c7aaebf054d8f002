//! The smallest service with a failover address of its own. Start it on two machines of one link:
//!
//! ```text
//! embed-failover eth0 51 192.0.2.10/24 150      # and 100 on the other one
//! ```
//!
//! It needs CAP_NET_ADMIN and CAP_NET_RAW. Ctrl-C hands the address over.
#![expect(clippy::print_stdout, reason = "what it has to say")]

use anyhow::{Context, Result};
use locum_vrrp::election::Config;
use locum_vrrp::{AdvertInterval, Node, Priority, RouterConfig, Vrid};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, vrid, address, priority] = arguments.as_slice() else {
        anyhow::bail!("usage: embed-failover INTERFACE VRID ADDRESS/PREFIX PRIORITY");
    };
    let vrid: u8 = vrid.parse().context("the VRID")?;
    let address = address.parse().context("the address")?;
    let priority = Priority::new(priority.parse().context("the priority")?);

    let election = Config::new(AdvertInterval::v3(100)?, priority)?; // 1 s
    let config = RouterConfig::new(interface, Vrid::new(vrid)?, vec![address], election)?;

    let node = Node::start_netlink()?;
    let mut events = node.events();
    node.add("service", config).await?;

    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let leave = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        node.shutdown().await;
    };
    let tell = async {
        while let Some(event) = events.recv().await {
            println!("{}", event.kind);
        }
    };
    tokio::join!(leave, tell);
    Ok(())
}

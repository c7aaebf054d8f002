//! Many links in one node, in network namespaces. Needs root and `ip`. How soon a thousand routers on a hundred links are
//! master is measured by `cargo xtask lab scale`.

#![cfg(feature = "netlink")]
use std::fmt::Write;
use std::time::Duration;

use locum_lab::Host;
use locum_vrrp::election::Config;
use locum_vrrp::{AdvertInterval, Node, Priority, RouterConfig, State, Vrid};

const BOUND: Duration = Duration::from_secs(20);
const LINKS: u8 = 12;
const ROUTERS: u8 = 5;

#[tokio::test]
async fn every_router_of_every_link_becomes_master_and_stops() {
    let host = Host::new("a").unwrap();
    let mut batch = String::new();
    for link in 1..=LINKS {
        writeln!(
            batch,
            "link add l{link} type veth peer name p{link}\nlink set p{link} up\n\
             address add 10.0.{link}.1/24 dev l{link}\nlink set l{link} up"
        )
        .unwrap();
    }
    host.write("/run/links".as_ref(), &batch).unwrap();
    host.ip("-batch /run/links").unwrap();
    let node = host.run(|| Node::start_netlink().unwrap());
    let mut routers = Vec::new();
    for link in 1..=LINKS {
        for vrid in 1..=ROUTERS {
            let address = format!("10.0.{link}.{}/24", vrid + 100).parse().unwrap();
            let interval = AdvertInterval::v3(10).unwrap();
            let election = Config::new(interval, Priority::new(150)).unwrap();
            let vrid = Vrid::new(vrid).unwrap();
            let config = RouterConfig::new(format!("l{link}"), vrid, vec![address], election);
            let name = format!("{vrid} on {link}");
            routers.push((
                address.addr(),
                node.add(&name, config.unwrap()).await.unwrap(),
            ));
        }
    }
    for (_, router) in &routers {
        let mut watch = router.watch();
        let is_master = watch.wait_for(|one| one.state == State::Master && one.holds_all());
        let reached = tokio::time::timeout(BOUND, is_master).await.is_ok();
        assert!(reached, "{:?}", router.status());
    }
    let held = host.addresses().unwrap();
    for (address, _) in &routers {
        assert!(held.iter().any(|(_, net)| net.addr() == *address));
    }
    node.shutdown().await;
    let left = host.addresses().unwrap();
    assert!(
        routers
            .iter()
            .all(|(address, _)| left.iter().all(|(_, net)| net.addr() != *address))
    );
}

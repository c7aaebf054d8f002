//! Many virtual routers with one address each, as configuration of either program.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use locum_lab::keepalived::Instance;
use locum_lab::{Host, LabError};

/// The network of a link. Its hosts have the first addresses, its virtual routers one each from 10.64.1.0 on.
const LINK: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);
const PREFIX: u8 = 16;
const FIRST_VIRTUAL: u32 = 256;

/// So many virtual routers on one link, from VRID 1 on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Population {
    pub(crate) routers: u8,
    pub(crate) version: u8,
    pub(crate) interval: Duration,
}

/// The address of a host on the link.
pub(crate) fn host_address(number: u8) -> IpNet {
    address(u32::from(number))
}

fn address(number: u32) -> IpNet {
    let address = Ipv4Addr::from_bits(LINK.to_bits() + number);
    IpNet::V4(Ipv4Net::new_assert(address, PREFIX))
}

impl Population {
    fn vrids(self) -> impl Iterator<Item = u8> {
        1..=self.routers
    }

    /// The virtual addresses, one for each router.
    pub(crate) fn addresses(self) -> impl Iterator<Item = IpNet> {
        self.vrids().map(address_of)
    }

    /// How many of its addresses `host` has.
    pub(crate) fn held_by(self, host: &Host) -> usize {
        let ours: BTreeSet<IpNet> = self.addresses().collect();
        let there = host.addresses().unwrap_or_default();
        there.iter().filter(|(_, net)| ours.contains(net)).count()
    }

    /// For director, without its section `[director]`; `more` is more of each router.
    pub(crate) fn director(self, priority: u8, more: &str) -> String {
        let mut text = String::new();
        let (version, interval) = (self.version, self.interval.as_millis());
        for vrid in self.vrids() {
            let address = address_of(vrid);
            let _ = writeln!(
                text,
                "[[virtual_router]]\nname = \"r{vrid}\"\ninterface = \"eth0\"\nvrid = {vrid}\nversion = {version}\n\
                 priority = {priority}\nadvert_interval = \"{interval}ms\"\naddresses = [\"{address}\"]\n{more}"
            );
        }
        text
    }

    /// For keepalived.
    pub(crate) fn keepalived(self, priority: u8) -> Vec<Instance> {
        let instance = |vrid| {
            Instance::new("eth0", vrid, &[address_of(vrid)])
                .version(self.version)
                .priority(priority)
                .interval(self.interval)
        };
        self.vrids().map(instance).collect()
    }
}

/// Two hosts and a cable. A switch would cost as much as what is measured, and whoever sends would pay for it.
pub(crate) fn joined() -> Result<[Host; 2], LabError> {
    let [a, b] = [Host::new("a")?, Host::new("b")?];
    let thread = b.run(|| rustix::thread::gettid().as_raw_nonzero().get());
    a.ip(&format!(
        "link add eth0 type veth peer name eth0 netns {thread}"
    ))?;
    for (host, number) in [(&a, 1), (&b, 2)] {
        host.ip(&format!("address add {} dev eth0", host_address(number)))?;
        host.ip("link set eth0 up")?;
    }
    Ok([a, b])
}

/// The address of a virtual router.
pub(crate) fn address_of(vrid: u8) -> IpNet {
    address(FIRST_VIRTUAL + u32::from(vrid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_router_has_an_address_of_its_own_on_the_link() {
        let population = Population {
            routers: 250,
            version: 3,
            interval: Duration::from_millis(100),
        };
        let text = population.director(150, "");
        let last = "vrid = 250\nversion = 3\npriority = 150\nadvert_interval = \"100ms\"\naddresses = [\"10.64.1.250/16\"]\n\n";
        assert!(text.ends_with(last), "{text}");
        assert_eq!(population.keepalived(100).len(), 250);
        assert_eq!(host_address(1).to_string(), "10.64.0.1/16");
        assert_eq!(population.addresses().last(), Some(address_of(250)));
    }
}

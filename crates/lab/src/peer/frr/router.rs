//! A virtual router of vrrpd, and the interfaces it wants.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::Mac;

/// IPv4 or IPv6: vrrpd elects for each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    const fn digit(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// A virtual router. Made with [`Router::new`] and the methods; VRRPv3, priority 100, an advertisement each second, preempting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    interface: String,
    vrid: u8,
    version: u8,
    priority: u8,
    interval: Duration,
    addresses: Vec<IpAddr>,
    nopreempt: bool,
}

impl Router {
    /// A virtual router on an interface, on whose own networks its addresses are: their prefix lengths are not needed.
    #[must_use]
    pub fn new(interface: &str, vrid: u8, addresses: &[IpNet]) -> Self {
        Self {
            interface: interface.to_owned(),
            vrid,
            version: 3,
            priority: 100,
            interval: Duration::from_secs(1),
            addresses: addresses.iter().map(IpNet::addr).collect(),
            nopreempt: false,
        }
    }

    /// VRRP version 2 or 3.
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    /// Its priority, 1 to 254.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// How often it advertises.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// It does not take over from a lesser master.
    #[must_use]
    pub fn nopreempt(mut self) -> Self {
        self.nopreempt = true;
        self
    }

    /// The virtual router's MAC address.
    #[must_use]
    pub const fn mac(vrid: u8, family: Family) -> Mac {
        // RFC 9568 §7.3.
        let network = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Mac::new([0, 0, 0x5e, 0, network, vrid])
    }

    pub(super) fn interface(&self) -> &str {
        &self.interface
    }

    pub(super) fn families(&self) -> BTreeSet<Family> {
        self.addresses.iter().copied().map(Family::of).collect()
    }

    /// The name of its macvlan interface.
    pub(super) fn macvlan(&self, family: Family) -> String {
        format!("vrrp{}-{}", family.digit(), self.vrid)
    }

    /// What `ip` is to do to make that.
    pub(super) fn ip_commands(&self, family: Family) -> Vec<String> {
        let (name, mac) = (self.macvlan(family), Self::mac(self.vrid, family));
        let mut commands = vec![
            // Only in bridge mode does the parent hear what comes from the same MAC address: the other router's adverts.
            format!(
                "link add {name} link {} type macvlan mode bridge",
                self.interface
            ),
            // Adverts over IPv6 are sent from its link-local address, which must not be the same on the other router.
            format!("link set {name} address {mac} addrgenmode random"),
        ];
        let ours = self
            .addresses
            .iter()
            .filter(|&&each| Family::of(each) == family);
        // As one host: a second route to the network would be taken for dead as long as this interface is down.
        commands.extend(ours.map(|each| format!("address add {each} dev {name}")));
        commands.push(format!("link set {name} up"));
        commands
    }

    pub(super) fn render(&self) -> String {
        let vrrp = format!("vrrp {}", self.vrid);
        let mut lines = vec![
            format!("interface {}", self.interface),
            format!(" {vrrp} version {}", self.version),
            format!(" {vrrp} priority {}", self.priority),
            format!(
                " {vrrp} advertisement-interval {}",
                self.interval.as_millis()
            ),
        ];
        if self.nopreempt {
            lines.push(format!(" no {vrrp} preempt"));
        }
        for address in &self.addresses {
            let word = match Family::of(*address) {
                Family::V4 => "ip",
                Family::V6 => "ipv6",
            };
            lines.push(format!(" {vrrp} {word} {address}"));
        }
        lines.push("exit\n".to_owned());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Family, Router};

    fn router() -> Router {
        let addresses = ["10.77.0.50/24", "fd77::50/64"].map(|net| net.parse().unwrap());
        Router::new("eth0", 51, &addresses)
    }

    #[test]
    fn writes_every_setting() {
        let router = router()
            .version(3)
            .priority(150)
            .interval(Duration::from_millis(250))
            .nopreempt();
        let expected = "interface eth0
 vrrp 51 version 3
 vrrp 51 priority 150
 vrrp 51 advertisement-interval 250
 no vrrp 51 preempt
 vrrp 51 ip 10.77.0.50
 vrrp 51 ipv6 fd77::50
exit
";
        assert_eq!(router.render(), expected);
    }

    #[test]
    fn has_an_interface_for_each_family() {
        let router = router();
        assert!(router.families().into_iter().eq([Family::V4, Family::V6]));
        let expected = [
            "link add vrrp6-51 link eth0 type macvlan mode bridge",
            "link set vrrp6-51 address 00:00:5e:00:02:33 addrgenmode random",
            "address add fd77::50 dev vrrp6-51",
            "link set vrrp6-51 up",
        ];
        assert_eq!(router.ip_commands(Family::V6), expected);
    }
}

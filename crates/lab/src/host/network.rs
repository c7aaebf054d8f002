//! A host's interfaces, addresses, neighbours and settings.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use ipnet::IpNet;
use nix::sys::socket::SockaddrStorage;

use super::Host;
use crate::{LabError, Mac};

impl Host {
    /// Runs `ip` with these arguments, separated by blanks, and returns what it says.
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub fn ip(&self, arguments: &str) -> Result<String, LabError> {
        let mut command = Command::new("ip");
        command.args(arguments.split_whitespace());
        self.output(command)
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Has one `ip` do all of this, a line of arguments each, until one fails: starting a program is what takes time.
    ///
    /// # Errors
    ///
    /// As [`output`](Self::output).
    pub fn ip_batch(&self, lines: &[String]) -> Result<(), LabError> {
        let mut command = Command::new("ip");
        command.args(["-batch", "-"]);
        let mut input = lines.join("\n");
        input.push('\n');
        self.output_of(command, Some(input.into_bytes())).map(drop)
    }

    /// Writes `value` to a setting of the network, such as `net/ipv4/ip_forward`.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), LabError> {
        self.write(&Path::new("/proc/sys").join(key), value)
    }

    /// The addresses on its interfaces (with `lo`), each with its interface.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn addresses(&self) -> Result<Vec<(String, IpNet)>, LabError> {
        self.run(|| {
            let all = nix::ifaddrs::getifaddrs().map_err(LabError::os("list addresses"))?;
            Ok(all
                .filter_map(|each| {
                    let address = address_of(each.address.as_ref()?)?;
                    let mask = address_of(each.netmask.as_ref()?)?;
                    IpNet::with_netmask(address, mask)
                        .ok()
                        .map(|net| (each.interface_name, net))
                })
                .collect())
        })
    }

    /// Takes these addresses off its interfaces. One that goes by itself meanwhile, as its lease ends, is gone too.
    ///
    /// # Errors
    ///
    /// As [`ip`](Self::ip), for one that is still there.
    pub fn remove_addresses(&self, addresses: &[IpAddr]) -> Result<(), LabError> {
        for (interface, net) in self.addresses()? {
            if !addresses.contains(&net.addr()) {
                continue;
            }
            let removed = self.ip(&format!("address del {net} dev {interface}"));
            if removed.is_err() && self.has_address(net.addr()) {
                return removed.map(drop);
            }
        }
        Ok(())
    }

    /// Is `address` on one of its interfaces?
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses()
            .is_ok_and(|all| all.iter().any(|(_, net)| net.addr() == address))
    }

    /// The hardware address it has for neighbour `address`; `None` if it knows none.
    ///
    /// # Errors
    ///
    /// As [`ip`](Self::ip).
    pub fn neighbour(&self, address: IpAddr) -> Result<Option<Mac>, LabError> {
        let said = self.ip(&format!("neigh show {address}"))?;
        let mut words = said
            .split_whitespace()
            .skip_while(|&word| word != "lladdr")
            .skip(1);
        Ok(words.next().and_then(|word| word.parse().ok()))
    }

    /// Does its interface carry packets, and has its kernel noticed?
    pub(crate) fn is_operational(&self, interface: &str) -> bool {
        let state = Path::new("/sys/class/net")
            .join(interface)
            .join("operstate");
        self.read(&state).is_ok_and(|said| said.trim_end() == "up")
    }

    /// The hardware address of its interface; `None` if there is no such interface.
    #[must_use]
    pub fn mac(&self, interface: &str) -> Option<Mac> {
        let interface = interface.to_owned();
        self.run(move || {
            let all = nix::ifaddrs::getifaddrs().ok()?;
            let mut ours = all.filter(|each| each.interface_name == interface);
            ours.find_map(|each| each.address?.as_link_addr()?.addr())
                .map(Mac::new)
        })
    }

    /// The hardware addresses of all its interfaces but `lo`.
    #[must_use]
    pub fn macs(&self) -> Vec<Mac> {
        self.run(|| {
            let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
            let macs = all.filter_map(|each| each.address?.as_link_addr()?.addr());
            macs.filter(|octets| *octets != [0; 6])
                .map(Mac::new)
                .collect()
        })
    }
}

fn address_of(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| address.ip().into()))
}

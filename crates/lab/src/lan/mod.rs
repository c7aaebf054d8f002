//! A switch that joins hosts: a bridge of the kernel, or a relay in the laboratory itself.

mod relay;

use std::net::IpAddr;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use self::relay::Relay;
use crate::{Capture, Host, LabError, Mac, sys, wait_until};

/// The bridge's name in the switch's namespace.
const BRIDGE: &str = "br0";
/// How long an interface may take to have carrier.
const CARRIER_BOUND: Duration = Duration::from_secs(5);

/// How a directed link treats the frames on it. The default is a perfect link.
///
/// ```
/// use std::time::Duration;
/// use locum_lab::Impairment;
///
/// let bad = Impairment::NONE.loss_per_mille(300).delay(Duration::from_millis(5), Duration::from_millis(2));
/// assert_ne!(bad, Impairment::CUT);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Impairment {
    pub(crate) loss: u16,
    pub(crate) duplicates: u16,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

impl Impairment {
    /// A perfect link.
    pub const NONE: Self = Self {
        loss: 0,
        duplicates: 0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
    };

    /// A link that loses everything.
    pub const CUT: Self = Self::NONE.loss_per_mille(1000);

    /// Loses so many of a thousand frames.
    #[must_use]
    pub const fn loss_per_mille(mut self, frames: u16) -> Self {
        self.loss = frames;
        self
    }

    /// Delivers so many of a thousand frames twice, each copy with a delay of its own.
    #[must_use]
    pub const fn duplicate_per_mille(mut self, frames: u16) -> Self {
        self.duplicates = frames;
        self
    }

    /// Delivers each frame `delay` and a random part of `jitter` later: with jitter, frames overtake one another.
    #[must_use]
    pub const fn delay(mut self, delay: Duration, jitter: Duration) -> Self {
        self.delay = delay;
        self.jitter = jitter;
        self
    }
}

#[derive(Debug, Clone)]
struct Port {
    host: Host,
    interface: String,
    name: String,
}

/// A switch in a namespace of its own. It learns which port a hardware address is behind, floods what it does not
/// know, and takes no part in any protocol. Gone when dropped, with all its links.
#[derive(Debug)]
pub struct Lan {
    // Before `switch`: the relay's thread must end first.
    relay: Option<Relay>,
    ports: Mutex<Vec<Port>>,
    switch: Host,
}

impl Lan {
    /// A LAN that is a bridge of the kernel: fast and faithful, without spanning tree or multicast snooping.
    ///
    /// # Errors
    ///
    /// As [`Host::new`] and [`Host::ip`].
    pub fn bridge() -> Result<Self, LabError> {
        let switch = silent_switch()?;
        switch.ip_batch(&[
            format!("link add {BRIDGE} type bridge stp_state 0 mcast_snooping 0"),
            format!("link set {BRIDGE} up"),
        ])?;
        Ok(Self {
            relay: None,
            ports: Mutex::default(),
            switch,
        })
    }

    /// A LAN whose links can be impaired: the laboratory itself relays each frame. `seed` decides what is lost,
    /// duplicated and delayed: the same frames on a link meet the same fate.
    ///
    /// # Errors
    ///
    /// As [`Host::new`].
    pub fn relay(seed: u64) -> Result<Self, LabError> {
        let switch = silent_switch()?;
        let relay = Relay::start(&switch, seed)?;
        Ok(Self {
            relay: Some(relay),
            ports: Mutex::default(),
            switch,
        })
    }

    fn ports(&self) -> MutexGuard<'_, Vec<Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn port(&self, host: &Host) -> Result<(usize, Port), LabError> {
        let ports = self.ports();
        let mut numbered = ports.iter().cloned().enumerate();
        numbered
            .find(|(_, port)| port.host == *host)
            .ok_or_else(|| LabError::NotAttached {
                host: host.name().to_owned(),
            })
    }

    /// Gives `host` an interface on this LAN, up, with these addresses. A host has one port on a LAN.
    ///
    /// # Errors
    ///
    /// As [`Host::ip`].
    pub fn attach(
        &self,
        host: &Host,
        interface: &str,
        addresses: &[IpNet],
    ) -> Result<(), LabError> {
        let number = self.ports().len();
        let name = format!("p{number}");
        let switch = self.switch.thread_id();
        let mut lines = vec![format!(
            "link add {interface} type veth peer name {name} netns {switch}"
        )];
        lines.extend(
            addresses
                .iter()
                .map(|address| format!("address add {address} dev {interface}")),
        );
        lines.push(format!("link set {interface} up"));
        host.ip_batch(&lines)?;
        if let Some(relay) = &self.relay {
            let ours = interface.to_owned();
            host.run(move || sys::disable_checksum_offload(&ours))
                .map_err(LabError::io("switch checksum offload off"))?;
            relay.add_port(&self.switch, &name)?;
        }
        let port = Port {
            host: host.clone(),
            interface: interface.to_owned(),
            name,
        };
        self.ports().push(port.clone());
        self.plug_in(number, &port)
    }

    /// Joins a port to the switch once both its ends have noticed their carrier, which the kernel does in its own time
    /// and until when it drops what they send.
    fn plug_in(&self, number: usize, port: &Port) -> Result<(), LabError> {
        let Port {
            host,
            interface,
            name,
        } = port;
        let mut lines = vec![format!("link set {name} up")];
        if let Some(relay) = &self.relay {
            relay.block(number, true);
        } else {
            lines.insert(0, format!("link set {name} nomaster"));
        }
        self.switch.ip_batch(&lines)?;
        for (host, interface) in [(host, interface), (&self.switch, name)] {
            wait_until("an interface to have carrier", CARRIER_BOUND, || {
                host.is_operational(interface)
            })?;
        }
        if let Some(relay) = &self.relay {
            relay.block(number, false);
        } else {
            self.switch
                .ip(&format!("link set {name} master {BRIDGE}"))?;
        }
        Ok(())
    }

    /// Pulls the host's cable: it has no carrier any more.
    ///
    /// # Errors
    ///
    /// [`LabError::NotAttached`], or as [`Host::ip`].
    pub fn cut(&self, host: &Host) -> Result<(), LabError> {
        let (_, port) = self.port(host)?;
        self.switch
            .ip(&format!("link set {} down", port.name))
            .map(drop)
    }

    /// Drops every frame from and to the host, which keeps its carrier and does not notice.
    ///
    /// # Errors
    ///
    /// As [`cut`](Self::cut).
    pub fn partition(&self, host: &Host) -> Result<(), LabError> {
        let (number, port) = self.port(host)?;
        if let Some(relay) = &self.relay {
            relay.block(number, true);
            return Ok(());
        }
        let mut command = Command::new("bridge");
        // BR_STATE_DISABLED: without STP nothing but plugging in ends it.
        command.args(["link", "set", "dev", &port.name, "state", "0"]);
        self.switch.output(command).map(drop)
    }

    /// Ends [`cut`](Self::cut) and [`partition`](Self::partition); impairments stay.
    ///
    /// # Errors
    ///
    /// As [`cut`](Self::cut), or [`LabError::Timeout`] if the host's interface is down.
    pub fn heal(&self, host: &Host) -> Result<(), LabError> {
        let (number, port) = self.port(host)?;
        self.plug_in(number, &port)
    }

    /// From now on the link from one host to another treats frames as `impairment` says. Only in this direction.
    ///
    /// # Errors
    ///
    /// [`LabError::NotRelay`] on a bridge, [`LabError::NotAttached`].
    pub fn impair(&self, from: &Host, to: &Host, impairment: Impairment) -> Result<(), LabError> {
        let relay = self.relay.as_ref().ok_or(LabError::NotRelay)?;
        relay.impair(self.port(from)?.0, self.port(to)?.0, impairment);
        Ok(())
    }

    /// Records each frame as it enters the switch, before anything is lost.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn capture(&self) -> Result<Capture, LabError> {
        Capture::on_ports(&self.switch, BRIDGE)
    }

    /// Which host has this hardware address on one of its interfaces?
    #[must_use]
    pub fn host_of(&self, mac: Mac) -> Option<Host> {
        let hosts: Vec<Host> = self.ports().iter().map(|port| port.host.clone()).collect();
        hosts.into_iter().find(|host| host.macs().contains(&mac))
    }
}

/// A namespace that says nothing of its own accord.
fn silent_switch() -> Result<Host, LabError> {
    let switch = Host::new("switch")?;
    for each in ["all", "default"] {
        switch.sysctl(&format!("net/ipv6/conf/{each}/disable_ipv6"), "1")?;
    }
    Ok(switch)
}

/// The hosts that have `address` on an interface.
#[must_use]
pub fn owners<'a>(hosts: &[&'a Host], address: IpAddr) -> Vec<&'a Host> {
    hosts
        .iter()
        .copied()
        .filter(|host| host.has_address(address))
        .collect()
}

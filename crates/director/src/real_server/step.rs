//! One change to this machine, and what undoes it.

use std::fmt;
use std::net::IpAddr;

use crate::sysctl::Key;

/// A change that `up` or `down` makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Puts the address on the interface, alone in its prefix.
    AddAddress { interface: String, address: IpAddr },
    /// Makes the interface that receives tunnelled packets.
    AddTunnel { interface: String, kind: Tunnel },
    /// Takes the address off the interface.
    RemoveAddress { interface: String, address: IpAddr },
    /// Takes the tunnel's interface away. The kernel keeps the one that comes with the module.
    RemoveTunnel { interface: String, kind: Tunnel },
    /// Switches the interface on or off.
    SetLink { interface: String, to: Switch },
    /// Changes a setting.
    SetSysctl { key: Key, from: String, to: String },
}

/// What an interface for tunnelled packets takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tunnel {
    /// IPv4 in IPv4.
    Ipip,
    /// IPv6 in IPv6.
    Ip6tnl,
}

impl Tunnel {
    /// What the kernel calls it: a kind of interface, and its module.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Ip6tnl => "ip6tnl",
        }
    }

    /// For which one the kernel knows this name of an interface.
    pub(super) fn of(interface: &str) -> Option<Self> {
        match interface {
            "ip6tnl0" => Some(Self::Ip6tnl),
            "tunl0" => Some(Self::Ipip),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Off,
    On,
}

impl Step {
    /// What makes it as if it had not been done.
    pub(super) fn inverse(self) -> Self {
        match self {
            Self::AddAddress { interface, address } => Self::RemoveAddress { interface, address },
            Self::AddTunnel { interface, kind } => Self::RemoveTunnel { interface, kind },
            Self::RemoveAddress { interface, address } => Self::AddAddress { interface, address },
            Self::RemoveTunnel { interface, kind } => Self::AddTunnel { interface, kind },
            Self::SetLink { interface, to } => Self::SetLink {
                interface,
                to: match to {
                    Switch::Off => Switch::On,
                    Switch::On => Switch::Off,
                },
            },
            Self::SetSysctl { key, from, to } => Self::SetSysctl {
                key,
                from: to,
                to: from,
            },
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddAddress { interface, address } => write!(f, "add {address} to {interface}"),
            Self::AddTunnel { interface, kind } => {
                write!(f, "make the interface {interface} ({})", kind.name())
            }
            Self::RemoveAddress { interface, address } => {
                write!(f, "remove {address} from {interface}")
            }
            Self::RemoveTunnel { interface, .. } => write!(
                f,
                "remove the interface {interface} (one that came with its module stays, down)"
            ),
            Self::SetLink { interface, to } => {
                let to = match to {
                    Switch::Off => "down",
                    Switch::On => "up",
                };
                write!(f, "set {interface} {to}")
            }
            Self::SetSysctl { key, from, to } => write!(f, "set {key} = {to} (was {from})"),
        }
    }
}

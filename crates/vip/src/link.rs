//! What there is to know about interfaces and their addresses.

use ipnet::IpNet;

use crate::driver::LinkIndex;
use crate::wire::MacAddress;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts, built by fakes too")]
pub struct Link {
    /// The kernel's number for it.
    pub index: LinkIndex,
    /// Its name; it can change.
    pub name: String,
    /// Switched on by the administrator.
    pub up: bool,
    /// Up and able to carry packets.
    pub carrier: bool,
    /// Its Ethernet address, if it has one.
    pub mac: Option<MacAddress>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain facts, built by fakes too")]
pub struct Address {
    /// The address, with the length of its prefix.
    pub address: IpNet,
    /// It carries our mark (Linux 5.18).
    pub ours: bool,
    /// It is not the first of its subnet (IPv4).
    pub secondary: bool,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// An address can be used. It was added, or has passed duplicate address detection.
    AddressAdded {
        /// Where.
        link: LinkIndex,
        /// Which.
        address: IpNet,
        /// It carries our mark.
        ours: bool,
    },
    /// An address cannot be used any more. Whoever removed it: the administrator, ourselves, or the end of its lease.
    AddressRemoved {
        /// Where.
        link: LinkIndex,
        /// Which.
        address: IpNet,
        /// It carried our mark.
        ours: bool,
    },
    /// A new interface.
    LinkAdded(Link),
    /// The interface has another name, state, carrier or Ethernet address.
    LinkChanged(Link),
    /// The interface is gone, and before this its addresses.
    LinkRemoved(Link),
    /// Events had been lost and all was read again; the differences came before this.
    Resynced,
}

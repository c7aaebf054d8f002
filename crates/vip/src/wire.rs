//! The frames that tell neighbours where an address is, or ask them. Pure: no socket.

pub mod arp;
pub mod ndp;

/// An Ethernet address.
pub type MacAddress = [u8; 6];

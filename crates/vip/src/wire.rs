//! The frames that tell neighbours where an address is. Pure: building only, no socket.

pub mod arp;
pub mod ndp;

/// An Ethernet address.
pub type MacAddress = [u8; 6];

//! What can be wrong with what an embedder asks for.

use std::fmt;
use std::io;
use std::sync::Arc;

use locum_vrrp_election::{Rejected, SyncGroupError};
use locum_vrrp_wire::Vrid;
use thiserror::Error;

use crate::config::Family;

/// Why a node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The process may not open the socket that advertisements need.
    #[error("not permitted to open raw sockets: CAP_NET_RAW is missing")]
    Permission,
    /// No socket, for another reason.
    #[error("no raw socket for VRRP")]
    Socket(#[source] io::Error),
    /// The kernel's addresses or interfaces cannot be reached.
    #[error("no access to the kernel's interfaces and addresses")]
    Netlink(#[source] io::Error),
    /// No thread, or no event loop for it.
    #[error("no thread for VRRP")]
    Thread(#[source] io::Error),
}

/// Why a router could not be added.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddError {
    /// Another router of this node has this VRID there (RFC 9568 §5.2.3).
    #[error("VRID {vrid} is taken on {interface} for {family}, by {router:?}")]
    DuplicateVrid {
        /// The identifier.
        vrid: Vrid,
        /// Where.
        interface: Arc<str>,
        /// For which family.
        family: Family,
        /// By whom.
        router: Arc<str>,
    },
    /// Another sync group of this node has this name.
    #[error("there is a sync group of the name {0:?} already")]
    DuplicateGroup(Arc<str>),
    /// Another router of this node has this name.
    #[error("there is a router of the name {0:?} already")]
    DuplicateName(Arc<str>),
    /// The node has been shut down.
    #[error("the node has been shut down")]
    Stopped,
    /// These routers cannot be kept together.
    #[error(transparent)]
    SyncGroup(SyncGroupError),
}

/// Why a running router could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// It would be another router: stop this one and add that.
    #[error("another {0} makes it another router: stop this one and add that")]
    NotInPlace(Identity),
    /// The election refused.
    #[error(transparent)]
    Rejected(Rejected),
    /// The router or its node has been stopped.
    #[error("the router has been stopped")]
    Stopped,
}

/// What a router keeps for as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// Unicast or multicast.
    Delivery,
    /// Of its addresses.
    Family,
    /// Where it lives.
    Interface,
    /// Whether it owns its addresses (priority 255).
    Ownership,
    /// Of the protocol.
    Version,
    /// Its identifier.
    Vrid,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivery => "way of sending (unicast or multicast)",
            Self::Family => "address family",
            Self::Interface => "interface",
            Self::Ownership => "ownership (priority 255 or not)",
            Self::Version => "version",
            Self::Vrid => "VRID",
        })
    }
}

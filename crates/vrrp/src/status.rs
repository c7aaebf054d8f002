//! What a router is doing, to be read and watched.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use locum_vip::AddressError;
use locum_vrrp_election::{Faults, MasterSeen, State, Stats, Transition};
use locum_vrrp_wire::{DecodeError, HmacRefused, Priority, Version, Vrid};

/// A virtual router as it is now. Cheap to clone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RouterStatus {
    /// The name it was added by.
    pub name: Arc<str>,
    /// The interface it lives on.
    pub interface: Arc<str>,
    /// Its identifier.
    pub vrid: Vrid,
    /// The version it speaks.
    pub version: Version,
    /// Its priority now.
    pub priority: Priority,
    /// Where it is in its life.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// How it came there; `None` before the first change.
    pub last_transition: Option<Transition>,
    /// It leaves mastership to others: see [`Router::stand_by`](crate::Router::stand_by).
    pub stands_by: bool,
    /// What is missing.
    pub faults: Faults,
    /// The address it sends from.
    pub source: Option<IpAddr>,
    /// Whom it watches.
    pub master: Option<MasterSeen>,
    /// The last it heard of any Master, whether it still watches it or not.
    pub last_master: Option<MasterSeen>,
    /// The addresses and whether they are held.
    pub addresses: Arc<[AddressStatus]>,
    /// What happened in the election.
    pub stats: Stats,
    /// Packets for this router that were dropped, by reason.
    pub dropped: DropCounters,
    /// Packets of this router's interface and family that reached no router.
    pub link: LinkCounters,
    /// Addresses put back after somebody else had removed them.
    pub addresses_restored: u64,
    /// Rounds of announcements carried out.
    pub announcements_sent: u64,
}

impl RouterStatus {
    /// Are all addresses held?
    #[must_use]
    pub fn holds_all(&self) -> bool {
        self.addresses.iter().all(|address| address.held)
    }
}

/// A sync group as it is now. Cheap to clone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GroupStatus {
    /// The name it was added by.
    pub name: Arc<str>,
    /// The names of its routers, in their order.
    pub members: Arc<[Arc<str>]>,
    /// Where it is in its life: Master if every member is.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The members that keep it from being Master: each hears a better Master, waits, or lacks something.
    pub held_back_by: Arc<[Arc<str>]>,
}

/// One virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressStatus {
    /// The address with its prefix.
    pub address: IpNet,
    /// Is it on the interface, as far as the address driver said?
    pub held: bool,
}

/// Packets for one router that were dropped before the election saw them. What the election itself refused is
/// counted in its [`Stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DropCounters {
    /// TTL or hop limit not 255 in multicast, or outside the peer's bounds in unicast.
    pub ttl: u64,
    /// Multicast where unicast is configured, or the other way round.
    pub delivery: u64,
    /// Unicast from somebody who is not a configured peer.
    pub unknown_peer: u64,
    /// Shorter than it says.
    pub length: u64,
    /// Another version than the router's, or none that is known.
    pub version: u64,
    /// Not an advertisement.
    pub packet_type: u64,
    /// Wrong checksum.
    pub checksum: u64,
    /// No address in it.
    pub no_addresses: u64,
    /// An interval that the version has not got.
    pub interval: u64,
    /// Another kind of authentication than the router's, or none that is known (v2).
    pub authentication: u64,
    /// Another password (v2).
    pub password: u64,
    /// An authentication header of another key, or a packet that was changed on its way (v2).
    pub ah_icv: u64,
    /// An authentication header with a number that is not new (v2).
    pub ah_replayed: u64,
    /// No authentication trailer, where there must be one (v3).
    pub hmac_missing: u64,
    /// Something else where the authentication trailer should be (v3).
    pub hmac_malformed: u64,
    /// An authentication trailer that is older, or further in the future, than the window (v3).
    pub hmac_stale: u64,
    /// An authentication trailer of a key that the router has not got (v3).
    pub hmac_unknown_key: u64,
    /// An authentication trailer of another key by the same number, or a message that was changed on its way (v3).
    pub hmac_tag: u64,
    /// An authentication trailer that is not newer than what its sender said before (v3).
    pub hmac_replayed: u64,
    /// Anything else that the decoder refuses.
    pub other: u64,
    /// Accepted, though its addresses are not the router's: the configurations differ.
    pub other_addresses: u64,
    /// Accepted without an authentication trailer, since the mode allows that for now (v3).
    pub unsigned: u64,
}

impl DropCounters {
    pub(crate) const fn count_refused(&mut self, refused: HmacRefused) {
        let counter = match refused {
            HmacRefused::Missing => &mut self.hmac_missing,
            HmacRefused::Stale { .. } => &mut self.hmac_stale,
            HmacRefused::UnknownKey(_) => &mut self.hmac_unknown_key,
            HmacRefused::Tag => &mut self.hmac_tag,
            HmacRefused::Replayed => &mut self.hmac_replayed,
            // Whatever a later version of the codec may find.
            HmacRefused::Malformed | _ => &mut self.hmac_malformed,
        };
        *counter += 1;
    }

    pub(crate) const fn count(&mut self, error: &DecodeError) {
        let counter = match error {
            DecodeError::Version(_) => &mut self.version,
            DecodeError::Type(_) => &mut self.packet_type,
            DecodeError::Checksum { .. } => &mut self.checksum,
            DecodeError::NoAddresses => &mut self.no_addresses,
            DecodeError::Interval(_) => &mut self.interval,
            DecodeError::AuthenticationType(_) => &mut self.authentication,
            DecodeError::Truncated { .. } => &mut self.length,
            // VRID zero never gets here, since no router has it.
            DecodeError::Vrid(_) | _ => &mut self.other,
        };
        *counter += 1;
    }
}

/// Packets of one interface and family that no router could be found for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LinkCounters {
    /// For a VRID that no router here has.
    pub unknown_vrid: u64,
    /// Too short to say for which VRID, or with an authentication header that is not one of VRRP's.
    pub malformed: u64,
    /// Dropped by the kernel because this process did not read fast enough (`SO_RXQ_OVFL`). An upper bound: while the
    /// queue of what is only counted is full, Linux counts with it also what the other queue has taken in.
    pub receive_queue_overflows: u64,
    /// Failed attempts to receive.
    pub receive_errors: u64,
}

/// One thing that happened to a router, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// The router's name.
    pub router: Arc<str>,
    /// When.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// The state changed.
    Transition(Transition),
    /// The state of its sync group changed, of which it was the member that made it so.
    GroupTransition {
        /// The group's name.
        group: Arc<str>,
        /// The state before.
        from: State,
        /// The state now.
        to: State,
    },
    /// All addresses are on the interface.
    AddressesHeld,
    /// The addresses have been taken off the interface.
    AddressesReleased,
    /// An address could not be put on the interface.
    HoldFailed {
        /// Which.
        address: IpNet,
        /// Why.
        error: Arc<AddressError>,
    },
    /// An address could not be taken off the interface: said once, tried again until it works.
    ReleaseFailed {
        /// Which.
        address: IpNet,
        /// Why.
        error: Arc<AddressError>,
    },
    /// Somebody else had removed an address, and it was put back.
    AddressRestored {
        /// Which.
        address: IpNet,
    },
    /// The neighbours could not be told.
    AnnounceFailed(Arc<AddressError>),
    /// An advertisement could not be sent: said once, until one could.
    SendFailed(Arc<io::Error>),
    /// The interface's socket could not be opened: said once, tried again every second.
    SocketFailed(Arc<io::Error>),
    /// Advertisements of this router name other addresses than ours: said once for each run of one sender's.
    OtherAddresses {
        /// Who sends them.
        source: IpAddr,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition(Transition {
                from, to, reason, ..
            }) => {
                write!(f, "{from:?} to {to:?}: {reason:?}")
            }
            Self::GroupTransition { group, from, to } => {
                write!(f, "sync group {group}: {from:?} to {to:?}")
            }
            Self::AddressesHeld => f.write_str("holds the addresses"),
            Self::AddressesReleased => f.write_str("has released the addresses"),
            Self::HoldFailed { address, error } => {
                write!(f, "cannot hold {address}: {}", Chain(&**error))
            }
            Self::ReleaseFailed { address, error } => {
                write!(f, "cannot release {address}: {}", Chain(&**error))
            }
            Self::AddressRestored { address } => {
                write!(f, "{address} had been removed and is back")
            }
            Self::AnnounceFailed(error) => {
                write!(f, "cannot tell the neighbours: {}", Chain(&**error))
            }
            Self::SendFailed(error) => write!(f, "cannot advertise: {}", Chain(&**error)),
            Self::SocketFailed(error) => write!(f, "cannot open a socket: {}", Chain(&**error)),
            Self::OtherAddresses { source } => {
                write!(f, "{source} advertises other addresses for this VRID")
            }
        }
    }
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

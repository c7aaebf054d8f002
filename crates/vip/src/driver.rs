//! What a virtual router needs of the machine's addresses, in our own words.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use async_trait::async_trait;
use ipnet::IpNet;
use thiserror::Error;

/// The kernel's index of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(NonZeroU32);

impl LinkIndex {
    /// The interface `index`; `None` if it is zero, which the kernel gives to none.
    #[must_use]
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }

    /// The number the kernel knows it by.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long the kernel may keep an address without hearing from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must decide about every kind of lease"
)]
pub enum Lease {
    /// For ever: whoever added it has to remove it.
    Permanent,
    /// Until this moment. The driver computes the kernel's lifetime when it sends the request, and does
    /// nothing at all once the moment has passed.
    Until(Instant),
}

/// What to do about an address that is there already and that we did not put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Foreign {
    /// Fail with [`AddressError::Foreign`]: it is the administrator's.
    Refuse,
    /// Use it as it is, never lease, change or remove it: the address owner (priority 255).
    Use,
}

/// How addresses are to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain request, built by callers"
)]
pub struct Claim {
    /// How long the kernel may keep them.
    pub lease: Lease,
    /// What to do about one that is somebody else's.
    pub foreign: Foreign,
}

/// Did an idempotent request change anything?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Outcome {
    /// It was not so before.
    Changed,
    /// It was so already (a renewed lease counts as unchanged).
    Unchanged,
}

/// Why one address could not be held, released or announced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The driver's own machinery failed; the kernel was not asked.
    #[error("the address driver failed")]
    Driver(#[source] io::Error),
    /// The lease had passed before the kernel could be asked, or before it answered: the address is not ours.
    #[error("the lease ran out before the kernel could be told")]
    Expired,
    /// Somebody else put the address there.
    #[error(
        "the address is on the interface already and was not put there by us: remove it there, \
         or make this router its owner with priority 255"
    )]
    Foreign,
    /// IPv6 is switched off on the interface.
    #[error("IPv6 is disabled on the interface (sysctl net.ipv6.conf.INTERFACE.disable_ipv6)")]
    Ipv6Disabled,
    /// The kernel's answer.
    #[error("the kernel refused")]
    Kernel(#[source] io::Error),
    /// The interface does not exist (any more).
    #[error("the interface does not exist")]
    NoSuchLink,
    /// The process may not do this.
    #[error(
        "not permitted: CAP_NET_ADMIN is needed for addresses and CAP_NET_RAW for announcements"
    )]
    Permission,
    /// The kernel may or may not have done it: ask again.
    #[error("the kernel's answer was lost")]
    Unknown,
}

#[cfg(feature = "netlink")]
impl AddressError {
    /// `io::Error` cannot be cloned; its number or kind can.
    pub(crate) fn duplicate(&self) -> Self {
        let io = |error: &io::Error| {
            error
                .raw_os_error()
                .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
        };
        match self {
            Self::Driver(error) => Self::Driver(io(error)),
            Self::Expired => Self::Expired,
            Self::Foreign => Self::Foreign,
            Self::Ipv6Disabled => Self::Ipv6Disabled,
            Self::Kernel(error) => Self::Kernel(io(error)),
            Self::NoSuchLink => Self::NoSuchLink,
            Self::Permission => Self::Permission,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// Puts virtual addresses on an interface, takes them away and tells the neighbours.
///
/// Every method is idempotent and safe to repeat after any error. Each answers for every address, in the order asked.
/// The driver keeps no schedule: who holds what, and when to renew or announce, is the caller's decision.
#[async_trait]
pub trait AddressDriver: fmt::Debug + Send + Sync {
    /// Makes sure that `addresses` are on `link`, ours, and leased as `claim` says: adds what is missing, renews
    /// what is there.
    ///
    /// # Errors
    ///
    /// One result for each address, in order.
    async fn ensure_present(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
        claim: Claim,
    ) -> Vec<Result<Outcome, AddressError>>;

    /// Makes sure that none of `addresses` is on `link` by our doing; a foreign address stays where it is.
    ///
    /// # Errors
    ///
    /// One result for each address, in order.
    async fn ensure_absent(
        &self,
        link: LinkIndex,
        addresses: &[IpNet],
    ) -> Vec<Result<Outcome, AddressError>>;

    /// Tells the neighbours on `link` that `addresses` are here: gratuitous ARP (request and reply) or unsolicited
    /// neighbour advertisements, once each. Sends nothing while the interface has no carrier.
    ///
    /// # Errors
    ///
    /// The first address that could not be announced; the others are tried all the same.
    async fn announce(&self, link: LinkIndex, addresses: &[IpAddr]) -> Result<(), AddressError>;
}

#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "netlink"), forbid(unsafe_code))]
#![cfg_attr(
    not(feature = "netlink"),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "the README speaks of the driver too"
    )
)]

mod driver;
mod link;
pub mod wire;

#[cfg(feature = "netlink")]
mod netlink;
#[cfg(feature = "netlink")]
mod watch;

pub use self::driver::{AddressDriver, AddressError, Claim, Foreign, Lease, LinkIndex, Outcome};
pub use self::link::{Address, Change, Link};
#[cfg(feature = "netlink")]
pub use self::netlink::{ADDRESS_PROTOCOL, Leftovers, NetlinkAddresses, Options, Pace, who_has};
#[cfg(feature = "netlink")]
pub use self::watch::{LinkWatch, WatchOptions};
#[cfg(feature = "netlink")]
pub use locum_netlink::Namespace;

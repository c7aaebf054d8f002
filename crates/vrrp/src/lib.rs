#![doc = include_str!("../README.md")]

mod addresses;
mod beat;
mod clock;
mod command;
mod config;
mod engine;
mod error;
mod filter;
mod group;
mod instance;
mod lane;
mod link;
#[cfg(feature = "netlink")]
mod netlink;
mod node;
mod packet;
mod receive;
mod record;
mod rhythm;
mod security;
mod shown;
mod socket;
mod start;
mod status;
mod sys;
#[cfg(test)]
mod tests;
mod thread;
mod timer;
mod transport;

pub use self::beat::Beat;
pub use self::config::{Family, Peer, RouterConfig, RouterConfigError};
pub use self::error::{AddError, ChangeError, Identity, StartError};
pub use self::link::LinkFacts;
pub use self::node::{Group, Node, Router};
pub use self::record::Recording;
pub use self::security::SequenceKeeper;
pub use self::start::Start;
pub use self::status::{
    AddressStatus, DropCounters, Event, EventKind, GroupStatus, LinkCounters, RouterStatus,
};

pub use locum_vip as vip;
pub use locum_vrrp_election as election;
pub use locum_vrrp_wire as wire;

pub use locum_vip::{AddressDriver, LinkIndex};
pub use locum_vrrp_election::{State, Tracking};
pub use locum_vrrp_wire::{
    AdvertInterval, AhKey, AhRecord, ChecksumForm, HmacFreshness, HmacKey, HmacKeyId, HmacKeys,
    HmacMode, HmacWindow, Password, Priority, Version, Vrid,
};

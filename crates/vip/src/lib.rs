#![doc = include_str!("../README.md")]

mod driver;

pub use self::driver::{
    AddressDriver, AddressError, Claim, Foreign, Lease, LinkIndex, Outcome,
};

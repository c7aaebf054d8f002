#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod types;

pub use self::types::{AdvertInterval, IntervalError, Priority, Version, Vrid, ZeroVrid};

//! What each target does with the bytes it is given: everything that could go wrong is asserted.
//!
//! Plain functions, so that `tests/replay.rs` replays the corpora without libFuzzer.

#[cfg(feature = "slow")]
mod configuration;
mod election;
#[cfg(feature = "slow")]
mod ipvs_reply;
mod neighbours;
mod wire_decode;
mod wire_header;
mod wire_round_trip;
mod wire_trailer;

#[cfg(feature = "slow")]
pub use self::configuration::configuration;
pub use self::election::election;
#[cfg(feature = "slow")]
pub use self::ipvs_reply::ipvs_reply;
pub use self::neighbours::neighbours;
pub use self::wire_decode::wire_decode;
pub use self::wire_header::wire_header;
pub use self::wire_round_trip::wire_round_trip;
pub use self::wire_trailer::wire_trailer;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; its corpus is in the directory of its name.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "slow")]
    ("configuration", configuration),
    ("election", election),
    #[cfg(feature = "slow")]
    ("ipvs_reply", ipvs_reply),
    ("neighbours", neighbours),
    ("wire_decode", wire_decode),
    ("wire_header", wire_header),
    ("wire_round_trip", wire_round_trip),
    ("wire_trailer", wire_trailer),
];

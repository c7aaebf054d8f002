//! A seeded LAN of two to seven routers that run the real election on virtual time.
//!
//! [`Scenario::from_seed`] makes a scenario: machines and their virtual routers, and what goes wrong. [`run`] runs it with
//! the driver of `crates/vrrp` imitated around each election, a kernel that ends leases as Linux does, and a network,
//! and stops at the first [`Invariant`] that breaks.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a simulation that is wrong about itself has to say so"
)]

mod bounds;
mod generate;
mod invariant;
mod machine;
mod nanos;
mod referee;
mod replay;
mod rng;
mod scenario;
mod shrink;
mod subject;
mod sweep;
mod text;
mod world;

pub use self::generate::Limits;
pub use self::invariant::{Checks, Invariant, Violation};
pub use self::nanos::Nanos;
pub use self::replay::{ReplayError, explain, failing, transcript};
pub use self::scenario::{
    Change, Failure, Fault, Kind, MOST_MACHINES, MachinePlan, Pause, Scenario,
};
pub use self::shrink::shrink;
pub use self::subject::Subject;
pub use self::sweep::{Sum, sweep};
pub use self::text::{SCENARIO_HEADER, ScenarioError};
pub use self::world::{Outcome, Record, run};

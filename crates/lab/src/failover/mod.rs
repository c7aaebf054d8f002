//! How long a client is without its address when it moves from one router to another.
//!
//! A client and two routers, A (priority 150) and B (100), are on a bridge. A dies, comes back, is stopped and comes
//! back again, many times, each at a random moment between two advertisements. The client probes the address
//! at 2 kHz meanwhile; of several addresses, the first and the last.

mod picture;
mod runner;
mod summary;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

pub use self::picture::Picture;
pub use self::runner::run;
pub use self::summary::{Summary, Theory, table, theory};
use crate::{Host, Snapshot};

/// Whose routers they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "these are the ones the laboratory can run"
)]
pub enum Implementation {
    /// The program at this path.
    Director(PathBuf),
    /// The keepalived that is installed.
    Keepalived,
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Director(_) => "director",
            Self::Keepalived => "keepalived",
        })
    }
}

/// Which IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Family {
    /// 10.77.0.0/16.
    Ipv4,
    /// fd77::/64.
    Ipv6,
}

/// What happens to A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a table must have a row for each")]
pub enum Event {
    /// Its cable is pulled and all its processes are killed.
    HostDeath,
    /// It is asked to end (SIGTERM).
    PlannedStop,
    /// It starts again and takes its address back.
    Preemption,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HostDeath => "host death",
            Self::PlannedStop => "planned stop",
            Self::Preemption => "preemption",
        })
    }
}

/// What to measure. The default is VRRPv3, IPv4, one address, an advertisement each second, ten times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scenario {
    /// Whose routers.
    pub implementation: Implementation,
    /// VRRP version 2 or 3.
    pub version: u8,
    /// Which IP.
    pub family: Family,
    /// How often the master advertises.
    #[serde(rename = "interval_us", serialize_with = "micros")]
    pub interval: Duration,
    /// How many addresses the virtual router has (of IPv6, besides the link-local one).
    pub addresses: u8,
    /// How often each event is to be measured without the machine stalling.
    pub runs: u16,
}

impl Scenario {
    /// The default scenario with these routers.
    #[must_use]
    pub fn new(implementation: Implementation) -> Self {
        Self {
            implementation,
            version: 3,
            family: Family::Ipv4,
            interval: Duration::from_secs(1),
            addresses: 1,
            runs: 10,
        }
    }

    /// VRRP version 2 or 3.
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    /// Which IP.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// How often the master advertises.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How many addresses, 1 to 180.
    #[must_use]
    pub fn addresses(mut self, addresses: u8) -> Self {
        self.addresses = addresses.clamp(1, 180);
        self
    }

    /// How often each event is measured.
    #[must_use]
    pub fn runs(mut self, runs: u16) -> Self {
        self.runs = runs;
        self
    }
}

/// What one event cost the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Measurement {
    /// What happened.
    pub event: Event,
    /// The longest time without answers: 0 if no probe was lost.
    #[serde(rename = "outage_us", serialize_with = "micros")]
    pub outage: Duration,
    /// Probes lost, of all probed addresses.
    pub lost: u32,
    /// From the event until the first probe that the other router answered was sent.
    #[serde(rename = "moved_after_us", serialize_with = "micros")]
    pub moved_after: Duration,
    /// The machine stalled for so long meanwhile: such measurements are left out of the summary. Zero if it was less
    /// than 5 ms or a fiftieth of the interval.
    #[serde(rename = "stall_us", serialize_with = "micros")]
    pub stall: Duration,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// What was to be measured.
    pub scenario: Scenario,
    /// Every measurement, in order.
    pub measurements: Vec<Measurement>,
}

/// The laboratory at one moment, for a picture of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct View<'a> {
    /// What is being done.
    pub phase: Phase,
    /// How long the current phase has lasted.
    pub elapsed: Duration,
    /// A.
    pub a: NodeView<'a>,
    /// B.
    pub b: NodeView<'a>,
    /// What the client saw in the last second.
    pub client: Option<Snapshot>,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a picture must show each")]
pub enum Phase {
    /// The routers are started for the first time, or are left in peace.
    Settling,
    /// This has just happened to A.
    Event(Event),
}

/// One router at one moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct NodeView<'a> {
    /// Its host.
    pub host: &'a Host,
    /// Does its program run?
    pub running: bool,
    /// Has it the address on its interface?
    pub owner: bool,
    /// Was it the one who answered the client last?
    pub answers: bool,
}

/// What [`run`] reports while it works.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// An event has been measured.
    Measured(&'a Measurement),
    /// About 20 times a second.
    Tick(&'a View<'a>),
}

fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

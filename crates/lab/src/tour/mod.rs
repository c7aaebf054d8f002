//! A tour of the site: everything in it dies, or is stopped, and comes back, and a client sees what that costs.
//!
//! Two directors with direct routing stand before two web servers. The client makes a request each 30 ms, and keeps one
//! connection open from the beginning to the end. Needs a kernel with IPVS: see [`kernel`](crate::kernel).

mod picture;
mod runner;
mod summary;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

pub use self::picture::Picture;
pub use self::runner::run;
pub use self::summary::table;

/// What happens to the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a table must have a row for each")]
pub enum Event {
    /// A web server dies.
    ServerDies,
    /// It listens again.
    ServerReturns,
    /// The master is asked to end (SIGTERM).
    MasterStops,
    /// It starts again, and takes its address back.
    MasterReturns,
    /// The master's cable is pulled, and all its processes are killed.
    MachineDies,
    /// The machine starts again, and its director takes its address back.
    MachineReturns,
}

impl Event {
    /// All of them, in the order of the tour.
    pub const ALL: [Self; 6] = [
        Self::ServerDies,
        Self::ServerReturns,
        Self::MasterStops,
        Self::MasterReturns,
        Self::MachineDies,
        Self::MachineReturns,
    ];
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ServerDies => "a web server dies",
            Self::ServerReturns => "the web server is back",
            Self::MasterStops => "the master is stopped",
            Self::MasterReturns => "the master is back",
            Self::MachineDies => "the master's machine dies",
            Self::MachineReturns => "the machine is back",
        })
    }
}

/// What one event cost the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Measurement {
    /// What happened.
    pub event: Event,
    /// How long it took until the site had adapted: the server was out of both tables, or in; the address had moved.
    #[serde(rename = "adapted_after_us", serialize_with = "micros")]
    pub adapted_after: Duration,
    /// How many requests the client made meanwhile, and a little longer.
    pub requests: u32,
    /// How many of them failed.
    pub failed: u32,
    /// Why: a word, and how many.
    pub failures: BTreeMap<String, u32>,
    /// The longest time in which no request was served.
    #[serde(rename = "longest_gap_us", serialize_with = "micros")]
    pub longest_gap: Duration,
}

/// The connection that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Connection {
    /// The server at its other end, which does not die.
    pub server: String,
    /// Did it last?
    pub survived: bool,
    /// How many echoes came.
    pub echoes: u64,
    /// The longest wait for one.
    #[serde(rename = "longest_pause_us", serialize_with = "micros")]
    pub longest_pause: Duration,
}

/// What the tour has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// [`Outcome::SCHEMA`].
    pub schema: u32,
    /// Each event, in order.
    pub measurements: Vec<Measurement>,
    /// How many requests each web server has served while nothing was wrong.
    pub balance: BTreeMap<String, u32>,
    /// How many requests were made in all.
    pub requests: u32,
    /// How many of them failed.
    pub failed: u32,
    /// The connection that stays.
    pub connection: Connection,
}

impl Outcome {
    /// The version of its JSON: keys may be added to one, none changes its meaning or goes.
    pub const SCHEMA: u32 = 1;
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a picture must show each")]
pub enum Phase {
    /// The site is built and everything in it started.
    Starting,
    /// Nothing is wrong.
    Calm,
    /// This has just happened.
    Event(Event),
}

/// The site at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// Since when the client makes its requests.
    pub time: Duration,
    /// What is being done.
    pub phase: Phase,
    /// For how long.
    pub elapsed: Duration,
    /// The two directors.
    pub directors: [DirectorView; 2],
    /// Which web servers listen, by name.
    pub servers: BTreeMap<String, Listening>,
    /// What the client got in the last second.
    pub client: ClientView,
    /// The connection that stays.
    pub connection: Option<Connection>,
}

/// Whether a web server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Listening {
    /// It is dead.
    No,
    /// It serves.
    Yes,
}

/// A director's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a picture must show each")]
pub enum Machine {
    /// It is cut off and nothing runs on it.
    Dead,
    /// Its director runs.
    Running,
    /// Its director does not run.
    Stopped,
}

/// A director at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectorView {
    /// What it does.
    pub machine: Machine,
    /// Whether the service's address is on its interface.
    pub address: Holds,
    /// The weights of the web servers in its kernel's table, by name; none if the service is not there.
    pub table: BTreeMap<String, u32>,
}

/// Whether a director has the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Holds {
    /// It waits.
    No,
    /// It is master.
    Yes,
}

/// The client in the last second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientView {
    /// How many requests each server served.
    pub served: BTreeMap<String, u32>,
    /// How many requests failed.
    pub failed: u32,
    /// Who served those that ended since the last view, one by one; `None` if nobody did.
    pub latest: Vec<Option<String>>,
}

/// What [`run`] reports while it works.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// An event has been measured.
    Measured(&'a Measurement),
    /// About ten times a second.
    Tick(&'a View),
}

fn micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

//! What happens, as one ordered stream that everybody reads: the log of events, notifications, trackers, and whoever
//! follows `director events`.

mod stream;
mod words;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use self::stream::Lost;
pub(crate) use self::stream::{Item, Stream, Subscription};
use crate::status::StateName;

/// One thing that happened, with its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The version of this form.
    pub schema: u32,
    /// Which run of the program: numbers begin again with another.
    pub run: String,
    /// The number in this run, without gaps, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// The version of the form that this program writes.
    pub const SCHEMA: u32 = 1;
}

/// What happened. Sides tell it without a number; the parent gives it one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// A virtual router is in another state.
    RouterState {
        /// Which.
        router: String,
        /// Where it was.
        from: StateName,
        /// Where it is.
        to: StateName,
        /// Its priority now.
        priority: u8,
        /// Why, in words.
        reason: String,
    },
    /// A sync group is in another state.
    GroupState {
        /// Which.
        group: String,
        /// Where it was.
        from: StateName,
        /// Where it is.
        to: StateName,
    },
    /// Something of a virtual router is wrong.
    RouterFault {
        /// Which.
        router: String,
        /// What is wrong.
        message: String,
        /// What to do about it.
        cure: String,
    },
    /// A server is up or down.
    ServerState {
        /// The service.
        service: String,
        /// The server.
        server: String,
        /// Where it is.
        address: SocketAddr,
        /// Which of the two.
        up: bool,
        /// Why it is down.
        reason: Option<String>,
        /// Nothing was known of it before.
        first: bool,
        /// It stays in service all the same, since too many failed at once.
        held: bool,
    },
    /// A server asks for another weight.
    ServerWeight {
        /// The service.
        service: String,
        /// The server.
        server: String,
        /// Where it is.
        address: SocketAddr,
        /// What it had.
        from: u32,
        /// What it has.
        to: u32,
    },
    /// A server has finished its connections, or has had its time for that, and is out.
    ServerDrained {
        /// The service.
        service: String,
        /// The server.
        server: String,
        /// Where it is.
        address: SocketAddr,
        /// Its time was over before they had ended.
        timed_out: bool,
    },
    /// A service has its quorum, or has lost it.
    Quorum {
        /// The service.
        service: String,
        /// Which of the two.
        gained: bool,
        /// The weight of its servers in service.
        weight: u64,
        /// This is what the first round of checks found.
        first: bool,
    },
    /// So many servers failed at once that they are kept for now.
    HoldBegan {
        /// How many.
        servers: u64,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// They are kept no longer.
    HoldEnded {
        /// How many were taken out.
        taken: u64,
    },
    /// Something that is watched for virtual routers fails, or no longer.
    Tracker {
        /// Its name.
        tracker: String,
        /// Which of the two.
        ok: bool,
        /// What was found.
        detail: String,
    },
    /// The configuration was read again.
    Reloaded {
        /// It is in force; otherwise all goes on as it was.
        ok: bool,
        /// What changed, or why nothing did.
        detail: String,
    },
    /// The operator changed something at run time.
    Changed {
        /// What, as it was asked for.
        action: String,
        /// Who: a user id of the machine.
        uid: Option<u32>,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// After how long it lapses, in milliseconds.
        lapses_ms: Option<u64>,
    },
    /// A change of the operator's has lapsed, or was taken back.
    ChangeEnded {
        /// What, as it was asked for.
        action: String,
        /// Its time was over.
        lapsed: bool,
    },
    /// A process of this program has died, hung, or runs again.
    Process {
        /// `routers`, `checker` or `programs`.
        process: String,
        /// What became of it, in words.
        detail: String,
        /// It works now.
        ok: bool,
    },
}

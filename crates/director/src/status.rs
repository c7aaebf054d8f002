//! What a running director tells about itself: the JSON of `GET /api/v1/status` and `director status --json`.

mod site;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::notify::Tally;

pub use self::site::{
    IpvsReport, ServerReport, ServerState, ServiceReport, ServiceState, SiteReport, SorryReport,
};

/// The whole. Within one [`schema`](Self::schema) fields may be added, but none changes or goes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The version of this format: [`Status::SCHEMA`].
    pub schema: u32,
    /// What the machine is called: the key `name` of `[director]`, or its host name.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has been running, in milliseconds.
    pub uptime_ms: u64,
    /// The virtual routers, in the order of the configuration; none before they may take part.
    pub routers: Vec<RouterReport>,
    /// The sync groups, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sync_groups: Vec<SyncGroupReport>,
    /// The processes beside [`pid`](Self::pid); none with `run --single-process`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessReport>,
    /// What was delivered of notifications, by who is told: `scripts`, `fifo`, `mail`, or the address of a web server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notifications: BTreeMap<String, Tally>,
    /// The virtual services; absent without any, and while the checker side does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteReport>,
    /// What is watched for virtual routers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trackers: Vec<TrackerReport>,
}

impl Status {
    /// The version of the format that this crate writes and reads.
    pub const SCHEMA: u32 = 1;
}

/// Something that is watched for virtual routers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrackerReport {
    /// `file`, `interface`, `process`, `script` or `service`.
    pub kind: String,
    /// What it is called among its kind.
    pub name: String,
    /// Whether it is as it should be; of a file, whether it can be read and makes no virtual router worse. Absent while
    /// nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// What was found.
    pub detail: String,
    /// For how long it has been so, in milliseconds.
    pub since_ms: u64,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessReport {
    /// `routers`, `checker` or `programs`.
    pub name: String,
    /// Its number; absent while it does not run.
    pub pid: Option<u32>,
    /// How often it has answered that it lives.
    pub answers: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// How often it had to be killed.
    pub kills: u64,
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouterReport {
    /// Its name in the configuration.
    pub name: String,
    /// The interface it runs on.
    pub interface: String,
    /// Its virtual router identifier, 1 to 255.
    pub vrid: u8,
    /// The version of VRRP it speaks, 2 or 3.
    pub version: u8,
    /// Its priority in the election now, 1 to 255.
    pub priority: u8,
    /// Where it is in its life.
    pub state: StateName,
    /// How long it has been there, in milliseconds.
    pub state_for_ms: u64,
    /// How it came there, in words.
    pub reason: Option<String>,
    /// The address it sends from.
    pub source: Option<IpAddr>,
    /// Who is master, as far as this router knows; absent if it has heard of nobody.
    pub master: Option<MasterReport>,
    /// The virtual addresses.
    pub addresses: Vec<AddressReport>,
    /// What keeps it from taking part, or from doing so well; empty if all is well.
    pub faults: Vec<FaultReport>,
    /// Counts since the start, by name.
    pub counters: BTreeMap<String, u64>,
    /// What the operator changed at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangeReport>,
}

/// What the operator changed at run time, and holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChangeReport {
    /// What, as on the command line: `drain web r1`.
    pub action: String,
    /// Who: a user id of the machine.
    pub uid: Option<u32>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// When it lapses, in milliseconds from now; absent: when it is taken back.
    pub lapses_in_ms: Option<u64>,
}

/// Virtual routers that are master together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncGroupReport {
    /// Its name in the configuration.
    pub name: String,
    /// The names of its virtual routers.
    pub members: Vec<String>,
    /// Where it is in its life: master if every member is.
    pub state: StateName,
    /// How long it has been there, in milliseconds.
    pub state_for_ms: u64,
    /// The members that keep it from being master: each follows a master, waits, or is in fault.
    pub held_back_by: Vec<String>,
    /// What the operator changed at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangeReport>,
}

/// Where a virtual router is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StateName {
    /// Not started, or stopped.
    Initialize,
    /// Kept from taking part: see [`RouterReport::faults`].
    Fault,
    /// Watching the master.
    Backup,
    /// Adding the addresses, to take over from a lesser master.
    Preempting,
    /// Holding the addresses.
    Master,
    /// Handing over: still answering until the successor does.
    Leaving,
}

/// Who is master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MasterReport {
    /// The address it advertises from.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Is it this machine?
    pub here: bool,
    /// How long ago it was last heard, in milliseconds; 0 for this machine.
    pub heard_ms_ago: u64,
}

/// One virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressReport {
    /// The address with its prefix length.
    pub address: IpNet,
    /// Is it on the interface of this machine?
    pub held: bool,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FaultReport {
    /// A stable word for programs: `addresses`, `announcements`, `link`, `other-addresses`, `release`, `sending`,
    /// `source` or `tracking`.
    pub kind: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub cure: String,
}

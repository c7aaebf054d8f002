//! What goes into the election and what comes out of it.

use core::time::Duration;
use std::net::IpAddr;
use std::time::Instant;

use locum_vrrp_wire::{AdvertInterval, Priority};
use thiserror::Error;

use crate::config::Config;

/// Where a virtual router is in its life (RFC 9568 §6.4, and the states between its states that make planned
/// moves lossless).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new state must break every match on it"
)]
pub enum State {
    /// Not started, or stopped.
    Initialize,
    /// Started, but something it needs is missing: see [`Faults`].
    Fault,
    /// Watching the Master. For some milliseconds after it was Master itself it still answers for the addresses.
    Backup,
    /// About to take over from a lesser Master: the addresses are being added before the first advertisement.
    Preempting,
    /// Holding the addresses and saying so.
    #[doc(alias = "active")]
    Master,
    /// Has said that it stops, and answers until its successor has taken over.
    Leaving,
}

/// One thing that happened. Time is given beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// Take part in the election.
    Startup,
    /// Take part in the election in the place of a process that died as Master, and be Master at once if nothing is
    /// missing by the time that its last advertisement is two intervals old: nobody has taken over until then.
    Adopt {
        /// How long ago it sent its last advertisement.
        age: Duration,
    },
    /// Stop taking part; a Master hands over first. Given a second time it stops at once.
    Shutdown,
    /// Be this important from now on.
    SetPriority(Priority),
    /// Go on with another configuration, of the same version and of no other ownership. A priority that was set stays
    /// until it is set again.
    Reconfigure(Config),
    /// Leave mastership to others: a Master hands over as when it is told to stop, and then no lesser Master is
    /// preempted. Where there is no other Master, this one is.
    StandBy {
        /// For how long; `None`: until told otherwise. No time at all ends it.
        time: Option<Duration>,
    },
    /// Tell the neighbours again, as after becoming Master: some of the addresses are new.
    Announce,
    /// A valid advertisement for this virtual router was received from somebody else.
    Advertisement(Advert),
    /// The interface can carry packets, or can not. It is taken to be down until the first report.
    Link(Link),
    /// The address that advertisements are sent from, if there is one. There is none until the first report.
    Source(Option<IpAddr>),
    /// Something that is watched for this router failed or recovered.
    Tracking(Tracking),
    /// What became of an action.
    Effect(Effect),
    /// The deadline passed. Early is harmless, late is a case of its own.
    Timeout,
}

/// What the election needs to know of a received advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain input, built by drivers and tests"
)]
pub struct Advert {
    /// Who sent it.
    pub source: IpAddr,
    /// How important the sender is; 0 if it stops.
    pub priority: Priority,
    /// The sender's interval; its version is that of the packet.
    pub interval: AdvertInterval,
}

/// Can the interface carry packets? Administratively up and with carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Link {
    /// Yes.
    Up,
    /// No.
    Down,
}

/// Is everything well that is watched for this router?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Tracking {
    /// Something failed.
    Failed,
    /// Nothing fails any more.
    Recovered,
}

/// Tells one acquisition of the addresses from another, so that a late report about an old one does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub(crate) u64);

/// What became of an [`Action`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// All addresses of this hold are on the interface.
    Held(HoldId),
    /// At least one of them could not be put there.
    HoldFailed(HoldId),
    /// The kernel was told too late: the lease had passed.
    HoldLapsed(HoldId),
    /// The last advertisement could not be sent. Success need not be reported.
    NotSent,
}

/// One thing to do. Actions are carried out in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver that ignores a new duty in silence is worse than a broken build"
)]
pub enum Action {
    /// Send an advertisement with this priority and the router's own interval, now.
    Advertise(Priority),
    /// Hold the addresses, or go on holding them, until the given moment (`None`: until told otherwise), and report
    /// the [`Effect`].
    Hold {
        /// To be repeated in the report.
        id: HoldId,
        /// When the kernel may take them away.
        until: Option<Instant>,
    },
    /// Let go of the addresses.
    Release,
    /// Tell the neighbours where the addresses are, as soon as they are held.
    Announce,
    /// The state changed; nothing to carry out.
    Transition(Transition),
}

/// A change of state and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// Why the state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was started.
    Started,
    /// It was started in the place of a process that had been Master until a moment before.
    Adopted,
    /// It was told to stop.
    Stopped,
    /// It was told to leave mastership to others.
    StandBy,
    /// It owns the addresses and need not wait.
    Owner,
    /// Nothing was heard of a Master for the master-down interval.
    MasterSilent,
    /// The Master said that it stops.
    MasterStopped,
    /// The Master is less important.
    MasterLesser,
    /// Somebody more important is Master; on equal priority, the higher address is.
    Outranked {
        /// Who.
        source: IpAddr,
        /// How important it is.
        priority: Priority,
    },
    /// The successor took over, and the overlap is past.
    Succeeded,
    /// Nobody took over in time.
    NoSuccessor,
    /// This process did not run for longer than the lease.
    LeaseLapsed,
    /// Something it needs is missing.
    Faulty(Faults),
    /// Nothing is missing any more.
    Recovered,
    /// Another member of its sync group cannot be Master.
    GroupMember {
        /// Which, by its place in the group.
        member: usize,
    },
}

/// What is missing for taking part in the election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Faults {
    /// The interface is down or has no carrier.
    pub link: bool,
    /// There is no address to send from.
    pub source: bool,
    /// Something that is watched failed.
    pub tracking: bool,
    /// The addresses could not be held; tried again after a while.
    pub addresses: bool,
    /// Advertisements could not be sent; tried again after a while.
    pub sending: bool,
}

impl Faults {
    /// Is anything missing?
    #[must_use]
    pub const fn any(self) -> bool {
        self.link || self.source || self.tracking || self.addresses || self.sending
    }

    /// Is it useless to say goodbye or to wait for a successor?
    pub(crate) const fn cut_off(self) -> bool {
        self.link || self.source || self.sending
    }
}

/// Why an input was refused. Nothing changed but a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The router does not take part in the election now.
    #[error("the router is not taking part in the election")]
    NotRunning,
    /// The advertisement comes from our own address.
    #[error("the advertisement comes from this router's own address")]
    OwnAddress,
    /// Another version or, in v2, another interval than ours (RFC 3768 §7.1).
    #[error("the sender's interval is {theirs} of version {version}, ours is {ours}", version = theirs.version())]
    Interval {
        /// What was received.
        theirs: AdvertInterval,
        /// What is configured.
        ours: AdvertInterval,
    },
    /// The sync group has not got so many members.
    #[error("the sync group has no such member")]
    NoSuchMember,
    /// A running router's priority can be set from 1 to 254, and an owner's not at all.
    #[error("a priority can be changed to 1 to 254, and not at all for the address owner")]
    Priority,
    /// A running router's version stays what it is.
    #[error("the version cannot be changed while the router runs")]
    Version,
}

/// When the election wants to be called, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Why.
    pub timer: Timer,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// Backup: the Master is taken for dead (`Master_Down_Timer`).
    MasterDown,
    /// Backup: the lesser Master has been left alone for long enough.
    PreemptDelay,
    /// Backup: the overlap with the new Master is past, the addresses are released.
    Linger,
    /// Preempting: the addresses should be there by now.
    Acquire,
    /// Master: the next advertisement (`Adver_Timer`); Leaving: the goodbye once more.
    Advertise,
    /// Master: the next announcement.
    Announce,
    /// Holding the addresses: the lease is renewed.
    Renew,
    /// Leaving: the addresses are released, whoever has taken over.
    Leave,
    /// Fault: what failed is tried again.
    Retry,
    /// Not Master yet: by now somebody may have taken over from the process that died as Master.
    Adopt,
    /// Mastership is not left to others any more.
    StandBy,
}

/// What happened so far, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Times it became Master.
    pub became_master: u64,
    /// Advertisements asked for.
    pub adverts_sent: u64,
    /// Valid advertisements heard.
    pub adverts_received: u64,
    /// Goodbyes asked for.
    pub priority_zero_sent: u64,
    /// Goodbyes heard.
    pub priority_zero_received: u64,
    /// Advertisements of a lesser Master heard while Master.
    pub lesser_masters_heard: u64,
    /// Advertisements refused ([`Rejected::Interval`]).
    pub interval_mismatches: u64,
    /// Advertisements refused ([`Rejected::OwnAddress`]).
    pub own_address_heard: u64,
    /// Deadlines served more than an interval too late.
    pub late_timeouts: u64,
    /// Leases that passed while this process did not run.
    pub leases_lapsed: u64,
    /// Acquisitions that failed.
    pub holds_failed: u64,
    /// Advertisements that could not be sent.
    pub adverts_not_sent: u64,
}

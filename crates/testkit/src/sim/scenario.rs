//! What happens in one simulation, as a value: made from a seed, reduced, written down, read and run again.

use locum_vrrp_election::transcript::Parameters;
use locum_vrrp_election::{Config, LeasePolicy, Preempt};
use locum_vrrp_wire::{AdvertInterval, Priority, Version};

use super::Nanos;

/// The most machines on a LAN.
pub const MOST_MACHINES: u8 = 7;

/// A LAN, and what goes wrong on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a value that is written down")]
pub struct Scenario {
    /// Where chance begins: latency, which packet is lost, how long a call takes.
    pub seed: u64,
    /// When it is over.
    pub end: Nanos,
    /// Two to seven of them.
    pub machines: Vec<MachinePlan>,
    /// In the order in which they begin.
    pub faults: Vec<Fault>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a value that is written down")]
pub struct MachinePlan {
    /// When its process starts for the first time.
    pub start: Nanos,
    /// Its virtual router of each VRID, counted from 1, if it has one.
    pub routers: Vec<Option<Parameters>>,
}

/// Something that happens at a moment and is over after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a value that is written down")]
pub struct Fault {
    /// When it begins.
    pub at: Nanos,
    /// How long it lasts.
    pub lasts: Nanos,
    /// What it is.
    pub kind: Kind,
}

/// Everything that can happen. A machine is counted from 0, and so is a VRID here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new kind must be read, written, made and carried out"
)]
pub enum Kind {
    /// Somebody else removes the addresses of a virtual router, once.
    AddressRemoved {
        /// Where.
        machine: u8,
        /// Of which.
        vrid: u8,
    },
    /// The monotonic clock goes ahead at once, and the kernel's timers with it.
    ClockJump {
        /// Where.
        machine: u8,
        /// How far.
        by: Nanos,
    },
    /// The process is killed; it starts again at the end.
    Crash {
        /// Where.
        machine: u8,
    },
    /// Nothing gets from one machine to the others of a set; the other way round is another fault.
    Cut {
        /// From whom.
        from: u8,
        /// To whom, one bit for each.
        to: u8,
    },
    /// Packets take up to so long, which reorders them.
    Delay {
        /// How long.
        up_to: Nanos,
    },
    /// The address driver fails.
    DriverFails {
        /// Where.
        machine: u8,
        /// In which way.
        how: Failure,
    },
    /// Each call of the address driver takes up to so much longer.
    DriverSlow {
        /// Where.
        machine: u8,
        /// How much.
        up_to: Nanos,
    },
    /// So many of a thousand packets arrive twice.
    Duplicates {
        /// How many.
        permille: u16,
    },
    /// The interface has no carrier.
    LinkDown {
        /// Where.
        machine: u8,
    },
    /// So many of a thousand packets are lost.
    Loss {
        /// How many.
        permille: u16,
    },
    /// Nothing runs.
    Pause {
        /// Where.
        machine: u8,
        /// What stands still.
        how: Pause,
    },
    /// The machine loses its power and with it all that the kernel knew; it starts again at the end.
    PowerOff {
        /// Where.
        machine: u8,
    },
    /// A virtual router gets another priority, and its old one at the end.
    Priority {
        /// Where.
        machine: u8,
        /// Which.
        vrid: u8,
        /// The new one, 1 to 254.
        to: u8,
    },
    /// A virtual router gets another configuration, and its old one at the end.
    Reconfigure {
        /// Where.
        machine: u8,
        /// Which.
        vrid: u8,
        /// What becomes of it.
        change: Change,
    },
    /// Advertisements cannot be sent.
    SendFails {
        /// Where.
        machine: u8,
    },
    /// The interface has lost the address that advertisements are sent from.
    SourceLost {
        /// Where.
        machine: u8,
    },
    /// A virtual router leaves mastership to others for so long.
    StandBy {
        /// Where.
        machine: u8,
        /// Which.
        vrid: u8,
    },
    /// The process is told to stop; it starts again at the end, or when it has stopped.
    Stop {
        /// Where.
        machine: u8,
    },
    /// Something that is watched for a virtual router fails.
    TrackingFails {
        /// Where.
        machine: u8,
        /// For which.
        vrid: u8,
    },
}

/// One parameter that becomes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as above")]
pub enum Change {
    /// The interval in centiseconds, in version 3.
    Interval(u16),
    /// Whether a lesser Master is preempted.
    Preempt(Preempt),
    /// The priority, 1 to 254.
    Priority(u8),
}

impl Change {
    /// What `before` becomes; `None` if it cannot.
    #[must_use]
    pub fn of(self, before: &Parameters) -> Option<Parameters> {
        let mut after = before.clone();
        match self {
            Self::Interval(units) => {
                if before.interval.version() != Version::V3 {
                    return None;
                }
                after.interval = AdvertInterval::v3(units).ok()?;
                after.lease = LeasePolicy::Auto;
            }
            Self::Preempt(preempt) => after.preempt = preempt,
            Self::Priority(priority) => {
                if before.priority.is_owner() {
                    return None;
                }
                after.priority = Priority::new(priority);
            }
        }
        Config::try_from(&after).is_ok().then_some(after)
    }
}

/// How the address driver fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as above")]
pub enum Failure {
    /// It does what it is asked, and the answer is lost.
    Forgets,
    /// Some addresses come and some do not.
    HalfDone,
    /// It does nothing and says so.
    Refuses,
}

/// What stands still in a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as above")]
pub enum Pause {
    /// The machine and its clock: when it goes on, nothing has happened as far as it can see.
    Machine,
    /// The machine; its clock has gone on when it goes on.
    MachineClockRuns,
    /// The process. The kernel goes on.
    Process,
}

impl Kind {
    /// The machine that it is about, unless it is about the network.
    #[must_use]
    pub fn machine(mut self) -> Option<u8> {
        self.machine_mut().copied()
    }

    pub(crate) const fn machine_mut(&mut self) -> Option<&mut u8> {
        match self {
            Self::Delay { .. } | Self::Duplicates { .. } | Self::Loss { .. } => None,
            Self::Cut { from: machine, .. }
            | Self::AddressRemoved { machine, .. }
            | Self::ClockJump { machine, .. }
            | Self::Crash { machine }
            | Self::DriverFails { machine, .. }
            | Self::DriverSlow { machine, .. }
            | Self::LinkDown { machine }
            | Self::Pause { machine, .. }
            | Self::PowerOff { machine }
            | Self::Priority { machine, .. }
            | Self::Reconfigure { machine, .. }
            | Self::SendFails { machine }
            | Self::SourceLost { machine }
            | Self::StandBy { machine, .. }
            | Self::Stop { machine }
            | Self::TrackingFails { machine, .. } => Some(machine),
        }
    }

    pub(crate) const fn vrid_mut(&mut self) -> Option<&mut u8> {
        match self {
            Self::AddressRemoved { vrid, .. }
            | Self::Priority { vrid, .. }
            | Self::Reconfigure { vrid, .. }
            | Self::StandBy { vrid, .. }
            | Self::TrackingFails { vrid, .. } => Some(vrid),
            Self::ClockJump { .. }
            | Self::Crash { .. }
            | Self::Cut { .. }
            | Self::Delay { .. }
            | Self::DriverFails { .. }
            | Self::DriverSlow { .. }
            | Self::Duplicates { .. }
            | Self::LinkDown { .. }
            | Self::Loss { .. }
            | Self::Pause { .. }
            | Self::PowerOff { .. }
            | Self::SendFails { .. }
            | Self::SourceLost { .. }
            | Self::Stop { .. } => None,
        }
    }

    /// Is it about machines and VRIDs that there are?
    pub(crate) fn is_within(mut self, machines: u8, vrids: u8) -> bool {
        self.machine().is_none_or(|machine| machine < machines)
            && self.vrid_mut().is_none_or(|vrid| *vrid < vrids)
    }

    /// Is it what an operator plans, or what the election takes in its stride, rather than trouble?
    #[must_use]
    pub const fn is_planned(self) -> bool {
        matches!(
            self,
            Self::Duplicates { .. }
                | Self::Priority { .. }
                | Self::Reconfigure { .. }
                | Self::StandBy { .. }
                | Self::Stop { .. }
                | Self::TrackingFails { .. }
        )
    }
}

impl Scenario {
    /// How many VRIDs there are.
    #[must_use]
    pub fn vrids(&self) -> u8 {
        let most = self.machines.iter().map(|plan| plan.routers.len()).max();
        u8::try_from(most.unwrap_or_default()).unwrap_or(u8::MAX)
    }

    /// How many machines there are.
    #[must_use]
    pub fn size(&self) -> u8 {
        u8::try_from(self.machines.len()).unwrap_or(u8::MAX)
    }

    /// The machines, and each once more for every configuration that a virtual router of it gets.
    pub(crate) fn variants(&self) -> Vec<MachinePlan> {
        let mut all = self.machines.clone();
        for fault in &self.faults {
            if let Kind::Reconfigure {
                machine,
                vrid,
                change,
            } = fault.kind
                && let Some(plan) = self.machines.get(usize::from(machine))
            {
                let mut plan = plan.clone();
                let router = plan.routers.get_mut(usize::from(vrid));
                if let Some(Some(router)) = router
                    && let Some(after) = change.of(router)
                {
                    *router = after;
                }
                all.push(plan);
            }
        }
        all
    }

    /// How many virtual routers run on all machines together.
    #[must_use]
    pub fn routers(&self) -> u64 {
        let each = self
            .machines
            .iter()
            .flat_map(|plan| &plan.routers)
            .flatten();
        u64::try_from(each.count()).unwrap_or(u64::MAX)
    }
}

//! What a router shows of itself beside its counters: watchers are woken when it changes.

use std::net::IpAddr;

use locum_vrrp_election::{Election, Faults, MasterSeen, State};
use locum_vrrp_wire::Priority;

use crate::status::RouterStatus;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    state: State,
    priority: Priority,
    faults: Faults,
    stands_by: bool,
    source: Option<IpAddr>,
    master: Option<MasterSeen>,
}

impl Shown {
    pub(crate) const fn of(election: &Election, source: Option<IpAddr>) -> Self {
        Self {
            state: election.state(),
            priority: election.priority(),
            faults: election.faults(),
            stands_by: election.stands_by(),
            source,
            master: election.master(),
        }
    }

    pub(crate) const fn master(&self) -> Option<MasterSeen> {
        self.master
    }

    /// The same, but for when the Master was heard.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.state == other.state
            && self.priority == other.priority
            && self.faults == other.faults
            && self.stands_by == other.stands_by
            && self.source == other.source
            && who(self.master) == who(other.master)
    }

    /// Writes it down. Is that news to whoever reads it?
    pub(crate) fn publish(&self, status: &mut RouterStatus) -> bool {
        let before = Self {
            state: status.state,
            priority: status.priority,
            faults: status.faults,
            stands_by: status.stands_by,
            source: status.source,
            master: status.master,
        };
        status.state = self.state;
        status.priority = self.priority;
        status.faults = self.faults;
        status.stands_by = self.stands_by;
        status.source = self.source;
        status.master = self.master;
        status.last_master = self.master.or(status.last_master);
        !before.is_as(self)
    }
}

fn who(master: Option<MasterSeen>) -> Option<(IpAddr, Priority)> {
    master.map(|master| (master.source, master.priority))
}

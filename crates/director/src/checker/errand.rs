//! One visit to the kernel.

use std::sync::Arc;

use locum_ipvs::{ApplyError, Op, SyncDaemon, Table, TimeoutChange, Transport};

use super::keeper::{DaemonError, Finishing, Keeper, Look, Outcome};
use crate::pool::Pools;
use crate::site::{Foreign, Site};

/// What is to be done there.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) table: Arc<Table>,
    /// What an earlier run left and may finish its connections.
    pub(super) finishing: Finishing,
    pub(super) look: Look,
    pub(super) foreign: Foreign,
    pub(super) timeouts: TimeoutChange,
    /// The daemons that should run, if that is to be looked at.
    pub(super) daemons: Option<Vec<SyncDaemon>>,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) daemons: Option<Daemons>,
    pub(super) timeouts: Result<(), ApplyError>,
}

/// What became of the daemons.
#[derive(Debug)]
pub(super) struct Daemons {
    pub(super) wanted: Vec<SyncDaemon>,
    /// What was done for that.
    pub(super) result: Result<Vec<Op>, DaemonError>,
}

impl Errand {
    /// One that reads the table, and leaves the daemons alone.
    pub(super) fn of(site: &Site, pools: &Pools) -> Self {
        Self {
            table: Arc::clone(pools.desired()),
            finishing: pools.leftovers(),
            look: Look::Read,
            foreign: site.ipvs.foreign,
            timeouts: site.ipvs.timeouts,
            daemons: None,
        }
    }

    pub(super) fn run<T: Transport>(self, keeper: &mut Keeper<T>) -> Done {
        keeper.foreign = self.foreign;
        let outcome = keeper.pursue(&self.table, &self.finishing, self.look);
        self.end(keeper, outcome)
    }

    /// The rest of it, where the table has been filled with this outcome.
    pub(super) fn after<T: Transport>(self, keeper: &mut Keeper<T>, filled: Outcome) -> Done {
        keeper.believe(&self.table, &filled);
        self.end(keeper, filled)
    }

    fn end<T: Transport>(self, keeper: &mut Keeper<T>, outcome: Outcome) -> Done {
        // Where the table cannot be read, nothing else works either.
        let reachable = outcome.unread.is_none();
        let timeouts = match reachable {
            true => keeper.set_timeouts(self.timeouts),
            false => Ok(()),
        };
        let wanted = self.daemons.filter(|_| reachable);
        let daemons = wanted.map(|wanted| Daemons {
            result: keeper.pursue_daemons(&wanted),
            wanted,
        });
        Done {
            outcome,
            daemons,
            timeouts,
        }
    }
}

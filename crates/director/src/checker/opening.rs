//! The first table, filled before anything else of this side is there: for a process that is forked where nobody else has a
//! say in the configuration.

use std::io;
use std::sync::Arc;

use locum_ipvs::{Client, Connection, Limits, Service};
use tracing::debug;

use super::Options;
use super::ending;
use super::errand::{Done, Errand};
use super::keeper::Keeper;
use super::record::Record;
use crate::clock;
use crate::pool::{Pools, first_tables};
use crate::site::{OnStop, Site};

/// What a side that begins with it has to do no more.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(super) site: Arc<Site>,
    pub(super) pools: Pools,
    pub(super) table: Provisional,
    /// What became of the table.
    pub(super) done: Done,
}

impl Opening {
    /// Makes the kernel's table what it should be at the start. `None`: there is nothing to be kept, or no socket for it,
    /// which the side says when it begins.
    pub(crate) fn of(options: &Options, site: &Arc<Site>) -> Option<Self> {
        if site.services.is_empty() {
            return None;
        }
        let record = Record::open(&options.state_directory);
        let mut keeper = Keeper::new(Client::open(Limits::default()).ok()?, record);
        let services = || site.services.iter().flat_map(|service| &service.kernel);
        let inherited = keeper.inherited(services().map(Service::key));
        let now = clock::now();
        // Before its pools are in memory.
        let filled = matches!(inherited, Ok(None))
            .then(|| keeper.fill(services().map(Service::key), first_tables(now, site)));
        // What is wrong with the kernel shows again in what is done there.
        let pools = Pools::new(now, site, &inherited.ok().flatten().unwrap_or_default());
        let errand = Errand::of(site, &pools);
        let done = match filled {
            Some(outcome) => errand.after(&mut keeper, outcome),
            None => errand.run(&mut keeper),
        };
        let changes = done.outcome.made;
        debug!(changes, "the kernel's IPVS table was filled first of all");
        Some(Self {
            site: Arc::clone(site),
            pools,
            table: Provisional {
                keeper: Some(keeper),
                on_stop: site.ipvs.on_stop,
            },
            done,
        })
    }
}

/// A table of which nobody else knows yet: dropped, it is dealt with as at a stop.
#[derive(Debug)]
pub(super) struct Provisional {
    keeper: Option<Keeper<Connection>>,
    on_stop: OnStop,
}

impl Provisional {
    /// From now on it is somebody's.
    pub(super) fn take(mut self) -> io::Result<Keeper<Connection>> {
        self.keeper
            .take()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            ending::end(self.on_stop, false, keeper);
        }
    }
}

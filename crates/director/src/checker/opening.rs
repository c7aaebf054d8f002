//! The first table, filled before anything else of this side is there: for a process that is forked where nobody else has a
//! say in the configuration, and a kernel that has nothing.

use std::io;
use std::sync::Arc;

use locum_ipvs::{Client, Connection, Limits, Service, Snapshot};
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
    /// Fills the kernel's table. `None`: there is nothing to be kept; or the kernel has something already, which others may use;
    /// or there is something wrong with it, which the side says when it begins.
    pub(crate) fn of(options: &Options, site: &Arc<Site>) -> Option<Self> {
        if site.services.is_empty() {
            return None;
        }
        let mut client = Client::open(Limits::default()).ok()?;
        if !client.services().ok()?.is_empty() {
            return None;
        }
        let record = Record::open(&options.state_directory);
        let mut table = Provisional(Some(Keeper::new(client, record)));
        let keeper = table.0.as_mut()?;
        let services = site.services.iter().flat_map(|service| &service.kernel);
        let now = clock::now();
        // Before its pools are in memory.
        let filled = keeper.fill(services.map(Service::key), first_tables(now, site));
        let changes = filled.made;
        debug!(changes, "the kernel's IPVS table was filled first of all");
        let pools = Pools::new(now, site, &Snapshot::default());
        let done = Errand::of(site, &pools).after(keeper, filled);
        Some(Self {
            site: Arc::clone(site),
            pools,
            table,
            done,
        })
    }
}

/// A table of which nobody else knows yet: dropped, it is empty again.
#[derive(Debug)]
pub(super) struct Provisional(Option<Keeper<Connection>>);

impl Provisional {
    /// From now on it is somebody's.
    pub(super) fn take(mut self) -> io::Result<Keeper<Connection>> {
        self.0.take().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.0 {
            ending::end(OnStop::Remove, false, keeper);
        }
    }
}

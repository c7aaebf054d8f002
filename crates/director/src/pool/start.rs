//! From the kernel's table to the first pools.

use std::time::Instant;

use locum_ipvs::{Destination, Service, Snapshot, Table};

use super::reload::next;
use super::server::{Found, destination};
use super::service::{Pool, deadline, fitting};
use super::{Pools, Slot, put};
use crate::site::{Site, VirtualService};

/// The table that should be at the start where the kernel has nothing, a service at a time. Nothing is kept of it: memory is
/// what a start spends its time on.
pub(crate) fn first_tables(now: Instant, site: &Site) -> impl Iterator<Item = Table> {
    let nothing = Snapshot::default();
    site.services.iter().map(move |config| {
        let mut slot = 0;
        let pool = first(now, site, config, &nothing, || next(&mut slot));
        let mut table = Table::new();
        put(&mut table, config, &pool);
        table
    })
}

fn first(
    now: Instant,
    site: &Site,
    config: &VirtualService,
    inherited: &Snapshot,
    slot: impl FnMut() -> Slot,
) -> Pool {
    let found = |kernel: &[Service], entry: &Destination| find(kernel, entry, inherited);
    let settles = now + site.ipvs.start_bound;
    let mut pool = Pool::new(now, config, settles, found, |_| None, slot);
    pool.settle(now, config);
    pool
}

impl Pools {
    pub(super) fn start(&mut self, now: Instant, inherited: &Snapshot) {
        for config in &self.site.services {
            let slot = || next(&mut self.next_slot);
            let pool = first(now, &self.site, config, inherited, slot);
            self.pools.push(pool);
        }
        // Counted when something happens: the table does not wait for that.
        self.burst.begin(self.site.ipvs.mass_failure);
        self.find_leftovers(now, inherited);
        self.find_places();
        self.reschedule();
    }

    /// What else is to be done with the first configuration before a server can be found to be down, or up.
    pub(super) fn be_counted(&mut self) {
        if !self.burst.is_counted() {
            self.add_up(self.burst.settings());
        }
    }

    /// Entries that are in a service of ours, and neither a server nor the sorry server.
    fn find_leftovers(&mut self, now: Instant, inherited: &Snapshot) {
        for config in &self.site.services {
            let Some(until) = deadline(now, config.drain_timeout) else {
                continue;
            };
            let servers = config.servers.iter().map(destination);
            let sorry = config.sorry.map(|s| Destination::new(s.address, s.forward));
            let known: Vec<Destination> = servers.chain(sorry).collect();
            for service in &config.kernel {
                let Some(actual) = inherited.get(service.key()) else {
                    continue;
                };
                let known = fitting(service.key(), &known);
                let unknown = actual
                    .destinations
                    .keys()
                    .filter(|key| !known.contains_key(key));
                let unknown = unknown.map(|key| ((*service.key(), *key), until));
                self.leftovers.extend(unknown);
            }
        }
    }
}

/// In any of the services; a server whose configured weight is 0 serves with that.
fn find(kernel: &[Service], entry: &Destination, inherited: &Snapshot) -> Found {
    let configured = entry.settings().weight;
    let mut found = Found::Absent;
    for key in kernel.iter().map(Service::key) {
        let service = inherited.get(key);
        let actual = service.and_then(|service| service.destinations.get(&entry.key(key)));
        match actual.map(|actual| actual.settings.weight) {
            None => {}
            Some(weight) if weight > 0 || weight == configured => return Found::Serving,
            Some(_) => found = Found::Quiesced,
        }
    }
    found
}

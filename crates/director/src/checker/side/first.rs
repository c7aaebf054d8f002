//! How the side gets its first table.

use std::sync::Arc;

use locum_ipvs::{Client, Limits, Service};
use locum_netlink::{Namespace, Worker};
use tracing::error;

use super::super::keeper::Keeper;
use super::super::opening::Opening;
use super::super::record::Record;
use super::{Checked, Side};
use crate::clock;
use crate::pool::Pools;
use crate::site::Site;

const NO_SOCKET: &str = "the kernel's IPVS table cannot be kept: there is no socket";

impl Side {
    /// Takes the first services, if these are any.
    pub(super) async fn begin(&mut self, site: Arc<Site>) {
        if let Some(opening) = self.opening.take() {
            self.go_on(opening, site);
            return;
        }
        let record = Record::open(&self.state_directory);
        if site.services.is_empty() && record.is_empty() {
            self.site = site;
            self.be_ready();
            return;
        }
        let kernel = Worker::start("ipvs", &Namespace::default(), move || {
            Ok(Keeper::new(Client::open(Limits::default())?, record))
        });
        let kernel = match kernel {
            Ok(kernel) => kernel,
            Err(error) => {
                error!(%error, "{NO_SOCKET}");
                self.be_ready();
                return;
            }
        };
        let wanted = Arc::clone(&site);
        let inherited = kernel.run(move |keeper| {
            let services = wanted.services.iter().flat_map(|service| &service.kernel);
            keeper.inherited(services.map(Service::key))
        });
        let inherited = inherited.await;
        // What is wrong with the kernel is told by the first errand.
        let read = inherited.ok().and_then(Result::ok).unwrap_or_default();
        let now = clock::now();
        self.kernel = Some(kernel);
        self.pools = Pools::new(now, &site, &read);
        // Known before the first look at the table when this side follows one that died.
        self.pools.override_servers(now, &self.wishes);
        if self.waiting_until.is_some() {
            self.waiting_until = now.checked_add(site.ipvs.start_bound);
        }
        self.daemons_due = site.ipvs.sync.is_some();
        self.site = site;
        self.look_at = Some(now);
        self.read_at = now;
        self.is_first = true;
        self.check();
    }

    /// Goes on with a table that has been filled already. The operator can wish nothing before the director runs.
    fn go_on(&mut self, opening: Opening, site: Arc<Site>) {
        let Opening {
            site: filled,
            pools,
            table,
            done,
        } = opening;
        let kernel = Worker::start("ipvs", &Namespace::default(), move || table.take());
        self.kernel = match kernel {
            Ok(kernel) => Some(kernel),
            Err(error) => {
                error!(%error, "{NO_SOCKET}");
                self.be_ready();
                return;
            }
        };
        let now = clock::now();
        self.site = filled;
        self.pools = pools;
        if self.waiting_until.is_some() {
            self.waiting_until = now.checked_add(self.site.ipvs.start_bound);
        }
        self.busy = Some(Checked::now(&self.pools));
        self.returned(Ok(done));
        self.check();
        if self.site.ipvs.sync.is_some() {
            self.daemons_due = true;
            self.look_at = Some(now);
        }
        if !Arc::ptr_eq(&self.site, &site) {
            self.replace(site);
        }
    }
}

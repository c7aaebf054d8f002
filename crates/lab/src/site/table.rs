//! A director's table in the kernel.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use locum_ipvs::{
    Client, Destination, Limits, Scheduler, Service, ServiceKey, Snapshot, Table, Tunnel, plan,
};

use super::{INTERFACE, Method, Site};
use crate::{LabError, wait_until};

impl Site {
    /// The table in the kernel of director `director`.
    ///
    /// # Errors
    ///
    /// The kernel's answer: it has no IPVS, perhaps.
    pub fn table(&self, director: u8) -> Result<Snapshot, LabError> {
        let client = self
            .director(director)
            .run(|| Client::open(Limits::default()));
        let mut client = client.map_err(LabError::io("open a socket for IPVS"))?;
        client
            .snapshot()
            .map_err(LabError::ipvs("read the table of IPVS"))
    }

    /// The weights of the web servers that director `director` has for service `number`, by their numbers; `None` if it
    /// has no such service.
    ///
    /// # Errors
    ///
    /// As [`table`](Self::table).
    pub fn weights(&self, director: u8, number: u8) -> Result<Option<BTreeMap<u8, u32>>, LabError> {
        let table = self.table(director)?;
        let Some(service) = table.get(&ServiceKey::tcp(self.config.service(number))) else {
            return Ok(None);
        };
        let all = service
            .destinations
            .values()
            .map(|entry| (entry.key.address, entry.settings.weight));
        let all: BTreeMap<_, _> = all.collect();
        let numbered = (1..=self.config.servers).filter_map(|server| {
            all.get(&self.config.server(server).ip())
                .map(|weight| (server, *weight))
        });
        Ok(Some(numbered.collect()))
    }

    /// Waits until director `director` has these servers for service `number`, and no other, with a weight.
    ///
    /// # Errors
    ///
    /// [`LabError::Timeout`] with what there was instead, or as [`table`](Self::table).
    pub fn wait_serving(
        &self,
        director: u8,
        number: u8,
        servers: &[u8],
        bound: Duration,
    ) -> Result<(), LabError> {
        let mut last = None;
        let waited = wait_until("servers in the table", bound, || {
            last = self.weights(director, number).ok().flatten();
            let positive = last.iter().flatten().filter(|(_, weight)| **weight > 0);
            last.is_some()
                && positive
                    .map(|(server, _)| *server)
                    .eq(servers.iter().copied())
        });
        waited.map_err(|_| LabError::Timeout {
            awaited: format!(
                "director {director} to have servers {servers:?} for service {number}, not {last:?}"
            ),
            bound,
        })
    }

    /// Does by hand for director `director` what one does that finds every server up: the table, but not the addresses.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    pub fn write_table(&self, director: u8, scheduler: &Scheduler) -> Result<(), LabError> {
        let mut table = Table::new();
        for number in 1..=self.config.services {
            let key = ServiceKey::tcp(self.config.service(number));
            let servers = (1..=self.config.servers)
                .map(|server| self.destination(self.config.server(server)));
            let inserted = table.insert(Service::new(key, scheduler.clone()), servers);
            inserted.map_err(LabError::ipvs("make a table"))?;
        }
        let client = self
            .director(director)
            .run(|| Client::open(Limits::default()));
        let mut client = client.map_err(LabError::io("open a socket for IPVS"))?;
        let actual = client
            .snapshot()
            .map_err(LabError::ipvs("read the table of IPVS"))?;
        let outcomes = client.apply(&plan(&table, &actual));
        outcomes
            .into_iter()
            .try_for_each(|outcome| outcome.map_err(LabError::ipvs("change the table of IPVS")))
    }

    fn destination(&self, server: SocketAddr) -> Destination {
        match self.config.method {
            Method::Direct => Destination::direct(server.ip()),
            Method::Nat => Destination::masquerade(server),
            Method::Tunnel => Destination::tunnel(server.ip(), Tunnel::Ipip),
        }
    }

    /// Gives director `director` by hand the addresses that move with the services.
    ///
    /// # Errors
    ///
    /// As [`Host::ip`](crate::Host::ip).
    pub fn add_addresses(&self, director: u8) -> Result<(), LabError> {
        for number in 1..=self.config.services {
            for address in self.config.virtual_addresses(number) {
                // Deprecated, else IPv6 would send from it, which a tunnel's end that has it too refuses.
                let lifetime = match address {
                    IpNet::V4(_) => "",
                    IpNet::V6(_) => " preferred_lft 0",
                };
                let host = self.director(director);
                host.ip(&format!("address add {address} dev {INTERFACE}{lifetime}"))?;
            }
        }
        Ok(())
    }
}

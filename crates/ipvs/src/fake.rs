//! A kernel made of maps, which answers requests as Linux 6.1 does. For tests; feature `fake`.

mod change;
mod decode;
mod encode;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use locum_netlink::{Message, Request, RequestError};

use self::decode::{Call, Query};
use crate::client::Transport;
use crate::client::errno::{ENOENT, EPERM};
use crate::table::{ActualService, Snapshot};
use crate::types::{DestinationKey, Role, ServiceKey, SyncDaemonEntry, Timeouts};

/// `GENL_ID_CTRL`.
const CONTROLLER: u16 = 16;

/// The first number that a family gets.
const FIRST_FAMILY: u16 = 30;

/// A kernel without packets: what is put in can be read back, with the errors of the real one.
#[derive(Debug)]
pub struct Kernel {
    family: u16,
    module: Module,
    privilege: Privilege,
    services: BTreeMap<ServiceKey, ActualService>,
    daemons: BTreeMap<Role, SyncDaemonEntry>,
    timeouts: Timeouts,
    schedulers: BTreeSet<&'static str>,
    interfaces: BTreeSet<String>,
    requests: usize,
    lose_after: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Module {
    Loaded,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privilege {
    NetAdmin,
    Nobody,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            family: FIRST_FAMILY,
            module: Module::Loaded,
            privilege: Privilege::NetAdmin,
            services: BTreeMap::new(),
            daemons: BTreeMap::new(),
            timeouts: Timeouts {
                tcp: Duration::from_secs(900),
                tcp_fin: Duration::from_secs(120),
                udp: Duration::from_secs(300),
            },
            schedulers: BTreeSet::from([
                "dh", "fo", "lblc", "lblcr", "lc", "mh", "none", "nq", "ovf", "rr", "sed", "sh",
                "wlc", "wrr",
            ]),
            interfaces: BTreeSet::from(["lo".to_owned()]),
            requests: 0,
            lose_after: None,
        }
    }
}

impl Kernel {
    /// A kernel with IPVS, the interface `lo` and empty tables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Unloads the module and loads it anew: the tables are empty and the family has another number.
    pub fn reload_module(&mut self) {
        self.services.clear();
        self.daemons.clear();
        self.family = self.family.wrapping_add(1).max(FIRST_FAMILY);
        self.module = Module::Loaded;
    }

    /// Takes IPVS out of the kernel.
    pub fn remove_module(&mut self) {
        self.services.clear();
        self.daemons.clear();
        self.module = Module::Missing;
    }

    /// From now on the caller has no `CAP_NET_ADMIN`.
    pub const fn drop_privileges(&mut self) {
        self.privilege = Privilege::Nobody;
    }

    /// Loses the answers to all requests of the next batch but the first `answered`. They are done all the same.
    pub const fn lose_answers_after(&mut self, answered: usize) {
        self.lose_after = Some(answered);
    }

    /// From now on a destination has so many connections in use, and so many that end. Nothing if it is not there.
    pub fn connect(
        &mut self,
        service: &ServiceKey,
        destination: &DestinationKey,
        active: u32,
        inactive: u32,
    ) {
        let service = self.services.get_mut(service);
        if let Some(entry) = service.and_then(|s| s.destinations.get_mut(destination)) {
            entry.active_connections = active;
            entry.inactive_connections = inactive;
        }
    }

    /// How many requests there were, refused ones and dumps included.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.requests
    }

    /// The table, without asking for it in messages.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            services: self.services.clone().into_iter().map(boxed).collect(),
        }
    }

    fn answer(&mut self, request: &Request, dump: bool) -> Result<Vec<Message>, i32> {
        self.requests = self.requests.saturating_add(1);
        match (request.kind(), self.module) {
            (CONTROLLER, Module::Loaded) => Ok(vec![encode::family(self.family)]),
            (kind, Module::Loaded) if kind == self.family => {
                if self.privilege == Privilege::Nobody {
                    return Err(EPERM);
                }
                match decode::call(request.body(), dump)? {
                    Call::Change(change) => self.change(change).map(|()| Vec::new()),
                    Call::Query(query) => self.query(query),
                }
            }
            _ => Err(ENOENT),
        }
    }

    fn query(&self, query: Query) -> Result<Vec<Message>, i32> {
        let family = self.family;
        Ok(match query {
            Query::Services => {
                let services = self.services.values();
                services
                    .map(|s| encode::service(family, &s.service))
                    .collect()
            }
            Query::Service(key) => vec![encode::service(family, &self.service(&key)?.service)],
            Query::Destinations(key) => {
                let service = key.and_then(|key| self.services.get(&key));
                let entries = service.iter().flat_map(|s| s.destinations.values());
                // The kernel's order is not that of the keys either.
                entries
                    .rev()
                    .map(|entry| encode::destination(family, entry))
                    .collect()
            }
            Query::Daemons => {
                let daemons = self.daemons.values();
                daemons
                    .map(|daemon| encode::daemon(family, daemon))
                    .collect()
            }
            Query::Timeouts => vec![encode::timeouts(family, &self.timeouts)],
            Query::Info => vec![encode::info(family)],
        })
    }
}

fn refused(errno: i32) -> RequestError {
    RequestError::Kernel(io::Error::from_raw_os_error(errno))
}

impl Transport for Kernel {
    fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>> {
        let lose_after = self.lose_after.take().unwrap_or(usize::MAX);
        let answers = requests.iter().enumerate();
        answers
            .map(|(index, request)| match self.answer(request, false) {
                _ if index >= lose_after => Err(RequestError::Unknown),
                answer => answer.map_err(refused),
            })
            .collect()
    }

    fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError> {
        self.answer(request, true).map_err(refused)
    }
}

fn boxed((key, service): (ServiceKey, ActualService)) -> (ServiceKey, Box<ActualService>) {
    (key, Box::new(service))
}

//! The table of services as it should be, and as it is.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::destinations::Destinations;
use crate::types::{
    Destination, DestinationEntry, DestinationKey, Forward, IpFamily, Service, ServiceEntry,
    ServiceKey, Stats,
};

/// Why something does not fit into a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableError {
    /// A destination is there twice.
    #[error("destination {1} is twice in service {0}")]
    DuplicateDestination(ServiceKey, DestinationKey),
    /// A service is there twice.
    #[error("service {0} is there twice")]
    DuplicateService(ServiceKey),
    /// Only a tunnel can carry one IP version in the other.
    #[error("destination {1} of service {0} has the other IP version: that needs a tunnel")]
    MixedFamily(ServiceKey, DestinationKey),
}

/// The services as they should be: each once, with destinations each once, and one IP version throughout unless tunnelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// In boxes: nodes of a map are half empty when it was filled in order.
    pub(crate) services: BTreeMap<ServiceKey, Box<DesiredService>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DesiredService {
    pub(crate) service: Service,
    /// Each once, in order of their keys. A map would take three times as much room, which is what a start spends its time on.
    destinations: Box<[Destination]>,
}

impl DesiredService {
    pub(crate) fn destinations(&self) -> impl Iterator<Item = (DestinationKey, &Destination)> {
        let key = self.service.key();
        let all = self.destinations.iter();
        all.map(|destination| (destination.key(key), destination))
    }
}

impl Table {
    /// A table without services.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            services: BTreeMap::new(),
        }
    }

    /// Adds a service with its destinations.
    ///
    /// # Errors
    ///
    /// When something is there twice, or a destination has the other IP version without a tunnel. The table is then
    /// as it was.
    pub fn insert(
        &mut self,
        service: Service,
        destinations: impl IntoIterator<Item = Destination>,
    ) -> Result<(), TableError> {
        let key = *service.key();
        if self.services.contains_key(&key) {
            return Err(TableError::DuplicateService(key));
        }
        let mut inserted: Vec<Destination> = destinations.into_iter().collect();
        inserted.sort_unstable_by_key(|destination| destination.key(&key));
        let mut last = None;
        for destination in &inserted {
            let identity = destination.key(&key);
            let tunnel = matches!(destination.forward(), Forward::Tunnel(_));
            if !tunnel && IpFamily::from(destination.address()) != key.family() {
                return Err(TableError::MixedFamily(key, identity));
            }
            if last.replace(identity) == Some(identity) {
                return Err(TableError::DuplicateDestination(key, identity));
            }
        }
        let desired = DesiredService {
            service,
            destinations: inserted.into_boxed_slice(),
        };
        self.services.insert(key, Box::new(desired));
        Ok(())
    }

    /// Is there such a service?
    #[must_use]
    pub fn contains_key(&self, key: &ServiceKey) -> bool {
        self.services.contains_key(key)
    }

    /// The services of the table, in order of their keys.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(|desired| &desired.service)
    }

    /// The destinations of one service, in order of their keys; none if there is no such service.
    pub fn destinations(&self, key: &ServiceKey) -> impl Iterator<Item = &Destination> {
        self.services
            .get(key)
            .into_iter()
            .flat_map(|desired| &desired.destinations)
    }

    /// What a kernel with this table, and nothing done yet, would tell: for a plan from one table to another without
    /// reading.
    #[must_use]
    pub fn to_snapshot(&self) -> Snapshot {
        let services = self.services.iter().map(|(key, desired)| {
            let actual = ActualService {
                service: ServiceEntry {
                    key: *key,
                    settings: desired.service.settings(),
                    stats: Stats::default(),
                },
                destinations: desired
                    .destinations()
                    .map(|(key, destination)| DestinationEntry::idle(key, destination))
                    .collect(),
            };
            (*key, Box::new(actual))
        });
        Snapshot {
            services: services.collect(),
        }
    }
}

impl Table {
    /// Services and destinations together.
    pub(crate) fn entries(&self) -> usize {
        let destinations = self.services.values().map(|s| s.destinations.len());
        self.services.len().saturating_add(destinations.sum())
    }
}

/// The services as they are in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// In boxes, as in [`Table`].
    pub(crate) services: BTreeMap<ServiceKey, Box<ActualService>>,
}

/// A service and its destinations as they are in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActualService {
    /// The service.
    pub service: ServiceEntry,
    /// Its destinations.
    pub destinations: Destinations,
}

impl Snapshot {
    /// Services and destinations together.
    pub(crate) fn entries(&self) -> usize {
        let destinations = self.services.values().map(|s| s.destinations.len());
        self.services.len().saturating_add(destinations.sum())
    }

    /// All services, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &ActualService> {
        self.services.values().map(|service| &**service)
    }

    /// One service.
    #[must_use]
    pub fn get(&self, key: &ServiceKey) -> Option<&ActualService> {
        self.services.get(key).map(|service| &**service)
    }

    /// Forgets the services that `keep` does not want, such as those of somebody else, so that a plan leaves them alone.
    pub fn retain(&mut self, mut keep: impl FnMut(&ActualService) -> bool) {
        self.services.retain(|_, service| keep(service));
    }
}

//! What each change does, and how it fails.

use std::net::IpAddr;
use std::time::Duration;

use super::Kernel;
use super::decode::Change;
use crate::client::errno::{EEXIST, EINVAL, ENODEV, ENOENT, ERANGE, ESRCH};
use crate::destinations::Destinations;
use crate::table::ActualService;
use crate::types::{
    DestinationEntry, DestinationKey, DestinationSettings, ForwardMethod, IpFamily, ServiceEntry,
    ServiceKey, ServiceSettings, Stats, SyncDaemonEntry,
};

impl Kernel {
    pub(super) fn change(&mut self, change: Change) -> Result<(), i32> {
        match change {
            Change::AddService(key, settings) => {
                if self.services.contains_key(&key) {
                    return Err(EEXIST);
                }
                self.check_modules(&settings)?;
                let service = ServiceEntry {
                    key,
                    settings,
                    stats: Stats::default(),
                };
                let destinations = Destinations::default();
                self.services.insert(
                    key,
                    ActualService {
                        service,
                        destinations,
                    },
                );
            }
            Change::EditService(key, settings) => {
                self.service(&key)?;
                self.check_modules(&settings)?;
                self.service_mut(&key)?.service.settings = settings;
            }
            Change::RemoveService(key) => {
                self.services.remove(&key).ok_or(ESRCH)?;
            }
            Change::AddDestination(key, destination) => {
                self.service(&key)?;
                let (identity, settings) = destination?;
                let settings = settings.ok_or(EINVAL)?;
                self.check_destination(&key, &identity, &settings)?;
                let destinations = &mut self.service_mut(&key)?.destinations;
                if destinations.contains_key(&identity) {
                    return Err(EEXIST);
                }
                if !is_unicast(identity.address) {
                    return Err(EINVAL);
                }
                destinations.insert(entry(identity, settings));
            }
            Change::EditDestination(key, destination) => {
                self.service(&key)?;
                let (identity, settings) = destination?;
                let settings = settings.ok_or(EINVAL)?;
                self.check_destination(&key, &identity, &settings)?;
                let destinations = &mut self.service_mut(&key)?.destinations;
                destinations.get_mut(&identity).ok_or(ENOENT)?.settings = settings;
            }
            Change::RemoveDestination(key, destination) => {
                let service = self.service_mut(&key)?;
                let (identity, _) = destination?;
                service.destinations.remove(&identity).ok_or(ENOENT)?;
            }
            Change::StartDaemon(daemon) => self.start_daemon(daemon)?,
            Change::StopDaemon(role) => {
                self.daemons.remove(&role).ok_or(ESRCH)?;
            }
            Change::SetTimeouts(tcp, tcp_fin, udp) => {
                for (timeout, change) in [
                    (&mut self.timeouts.tcp, tcp),
                    (&mut self.timeouts.tcp_fin, tcp_fin),
                    (&mut self.timeouts.udp, udp),
                ] {
                    if change > 0 {
                        *timeout = Duration::from_secs(change.into());
                    }
                }
            }
            Change::Zero(key) => self.zero(key)?,
            Change::Flush => self.services.clear(),
        }
        Ok(())
    }

    fn start_daemon(&mut self, daemon: SyncDaemonEntry) -> Result<(), i32> {
        let mixed = |service: &ActualService| {
            let family = service.service.key.family();
            service
                .destinations
                .keys()
                .any(|d| IpFamily::from(d.address) != family)
        };
        if self.services.values().any(mixed) {
            return Err(EINVAL);
        }
        if self.daemons.contains_key(&daemon.role) {
            return Err(EEXIST);
        }
        if !self.interfaces.contains(&daemon.interface) {
            return Err(ENODEV);
        }
        self.daemons.insert(daemon.role, daemon);
        Ok(())
    }

    fn zero(&mut self, key: Option<ServiceKey>) -> Result<(), i32> {
        if let Some(key) = key {
            self.service(&key)?;
        }
        for (_, service) in self
            .services
            .iter_mut()
            .filter(|(k, _)| key.is_none_or(|key| **k == key))
        {
            service.service.stats = Stats::default();
            for destination in service.destinations.values_mut() {
                destination.stats = Stats::default();
            }
        }
        Ok(())
    }

    pub(super) fn service(&self, key: &ServiceKey) -> Result<&ActualService, i32> {
        self.services.get(key).ok_or(ESRCH)
    }

    fn service_mut(&mut self, key: &ServiceKey) -> Result<&mut ActualService, i32> {
        self.services.get_mut(key).ok_or(ESRCH)
    }

    fn check_modules(&self, settings: &ServiceSettings) -> Result<(), i32> {
        let engine = settings.engine.as_deref();
        if self.schedulers.contains(settings.scheduler.as_str())
            && engine.is_none_or(|engine| engine == "sip")
        {
            Ok(())
        } else {
            Err(ENOENT)
        }
    }

    fn check_destination(
        &self,
        key: &ServiceKey,
        identity: &DestinationKey,
        settings: &DestinationSettings,
    ) -> Result<(), i32> {
        let mixed = IpFamily::from(identity.address) != key.family();
        if mixed && (settings.forward != ForwardMethod::TUNNEL || !self.daemons.is_empty()) {
            return Err(EINVAL);
        }
        if i32::try_from(settings.weight).is_err()
            || settings.lower_threshold > settings.upper_threshold
        {
            return Err(ERANGE);
        }
        if settings.tunnel_type == 1 && settings.tunnel_port == 0 {
            return Err(EINVAL);
        }
        Ok(())
    }
}

/// A new destination must be; for one that is there it is not asked again.
const fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

fn entry(key: DestinationKey, settings: DestinationSettings) -> DestinationEntry {
    DestinationEntry {
        key,
        settings,
        active_connections: 0,
        inactive_connections: 0,
        persistent_connections: 0,
        stats: Stats::default(),
    }
}

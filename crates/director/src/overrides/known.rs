//! What can be changed at run time: the names of the configuration that is in force.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::refusal::{Choice, Refusal};
use crate::config::Config;
use crate::site::{RealServer, Site};

/// The services with their servers, the virtual routers and the sync groups of a configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    site: Arc<Site>,
    routers: BTreeMap<String, Router>,
    groups: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone)]
pub(super) struct Router {
    pub(super) election: Election,
    group: Option<String>,
}

/// How a virtual router takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The addresses are this machine's own: its priority is 255.
    Owner,
    /// Whoever has the highest priority is master.
    Ranked,
}

/// Who hands over: a virtual router alone, or all of its sync group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Group(String),
    Router(String),
}

impl Known {
    /// What `config` has.
    pub(crate) fn of(config: &Config) -> Self {
        let groups = config.sync_groups.iter();
        let groups: BTreeMap<_, _> = groups
            .map(|group| (group.name.clone(), group.members.clone()))
            .collect();
        let routers = config.virtual_routers.iter().map(|one| {
            let mut all = config.sync_groups.iter();
            let group = all.find(|group| group.members.contains(&one.name));
            let router = Router {
                election: if one.router.election().priority().is_owner() {
                    Election::Owner
                } else {
                    Election::Ranked
                },
                group: group.map(|group| group.name.clone()),
            };
            (one.name.clone(), router)
        });
        Self {
            site: Arc::clone(&config.site),
            routers: routers.collect(),
            groups,
        }
    }

    /// The server that is called so, or is at this address.
    pub(super) fn server(&self, service: &str, server: &str) -> Result<&RealServer, Refusal> {
        let Some(servers) = self.servers(service) else {
            let all = self.site.services.iter().map(|one| one.name.as_str());
            return Err(Refusal::NoService(Choice::of(service, all)));
        };
        let is_named = |one: &&RealServer| &*one.name == server;
        if let Some(named) = servers.iter().find(is_named) {
            return Ok(named);
        }
        let address: Option<SocketAddr> = server.parse().ok();
        let host: Option<IpAddr> = server.parse().ok();
        let is_there = |one: &&RealServer| Some(one.address()) == address || Some(one.ip) == host;
        let mut there = servers.iter().filter(is_there);
        match (there.next(), there.next()) {
            (Some(only), None) => Ok(only),
            (None, _) | (Some(_), Some(_)) => Err(Refusal::NoServer {
                service: service.to_owned(),
                choice: Choice::of(server, servers.iter().map(|one| &*one.name)),
            }),
        }
    }

    fn servers(&self, service: &str) -> Option<&[RealServer]> {
        let mut services = self.site.services.iter();
        let service = services.find(|one| one.name == service)?;
        Some(&service.servers)
    }

    pub(super) fn has_server(&self, service: &str, server: &str) -> bool {
        let servers = self.servers(service);
        servers.is_some_and(|all| all.iter().any(|one| &*one.name == server))
    }

    /// A virtual router, and no sync group.
    pub(super) fn router(&self, name: &str) -> Result<&Router, Refusal> {
        match (self.routers.get(name), self.groups.get(name)) {
            (Some(router), _) => Ok(router),
            (None, Some(members)) => Err(Refusal::Group {
                group: name.to_owned(),
                members: members.clone(),
            }),
            (None, None) => {
                let all = self.routers.keys().map(String::as_str);
                Err(Refusal::NoRouter(Choice::of(name, all)))
            }
        }
    }

    /// Whoever hands over together. A virtual router comes before a sync group of the same name, which can be had by the
    /// name of another member.
    pub(super) fn party(&self, name: &str) -> Result<Party, Refusal> {
        if let Some(router) = self.routers.get(name) {
            let group = router.group.clone();
            return Ok(group.map_or_else(|| Party::Router(name.to_owned()), Party::Group));
        }
        if self.groups.contains_key(name) {
            return Ok(Party::Group(name.to_owned()));
        }
        let all = self.routers.keys().chain(self.groups.keys());
        Err(Refusal::NoParty(Choice::of(name, all.map(String::as_str))))
    }

    pub(super) fn has_party(&self, party: &Party) -> bool {
        match party {
            Party::Group(name) => self.groups.contains_key(name),
            Party::Router(name) => self
                .routers
                .get(name)
                .is_some_and(|one| one.election == Election::Ranked),
        }
    }

    /// The sync group of a virtual router.
    pub(super) fn group_of(&self, router: &str) -> Option<&str> {
        self.routers.get(router)?.group.as_deref()
    }

    pub(super) fn members(&self, group: &str) -> &[String] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }
}

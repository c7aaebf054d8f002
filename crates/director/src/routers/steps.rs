//! Carrying out a plan, step by step. A step runs beside the loop of the side, which stays free to answer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use ipnet::IpNet;
use locum_vrrp::{Group, Router, RouterConfig, Start};

use super::machine::Machine;
use super::plan::{Parties, Unit};
use super::roll::{Member, Roll};
use crate::process::Beats;
use crate::sequence::Sequences;
use crate::words::chain;

/// What became of a step.
#[derive(Debug, Default)]
pub(super) struct Did {
    pub(super) changed: Vec<(String, RouterConfig)>,
    pub(super) started: Vec<(String, Member)>,
    pub(super) groups: Vec<(String, Group)>,
    /// What could not be done, and why.
    pub(super) failed: Vec<String>,
}

/// The routers of a unit, and the group if it is one.
type Added = (Vec<(String, Member)>, Option<(String, Group)>);

/// What steps are done with.
#[derive(Debug, Clone)]
pub(super) struct Workshop {
    pub(super) machine: Machine,
    pub(super) sequences: Arc<Sequences>,
    /// What the configuration has.
    pub(super) parties: Arc<Parties>,
    /// Who was master in a process that died, and when it advertised last.
    pub(super) adopt: Arc<BTreeMap<String, Instant>>,
    pub(super) beats: Option<Beats>,
}

impl Workshop {
    pub(super) fn new(
        machine: Machine,
        state_directory: &Path,
        beats: Option<Beats>,
    ) -> io::Result<Self> {
        Ok(Self {
            machine,
            sequences: Arc::new(Sequences::start(state_directory)?),
            parties: Arc::default(),
            adopt: Arc::default(),
            beats,
        })
    }

    /// Has routers that run go on with what the configuration has. All are told at once, as is whatever starts: each answer
    /// comes from another thread.
    pub(super) fn change(
        &self,
        names: Vec<String>,
        roll: &Roll,
    ) -> impl Future<Output = Did> + Send + 'static {
        let shop = self.clone();
        let routers = names.into_iter().map(|name| {
            let router = roll.members.get(&name).map(|member| member.router.clone());
            (name, router)
        });
        let routers: Vec<_> = routers.collect();
        async move {
            let all = routers.into_iter();
            let all = all.map(|(name, router)| shop.reconfigure(name, router));
            let mut did = Did::default();
            for one in join_all(all).await {
                match one {
                    Ok(changed) => did.changed.push(changed),
                    Err(why) => did.failed.push(why),
                }
            }
            did
        }
    }

    async fn reconfigure(
        &self,
        name: String,
        router: Option<Router>,
    ) -> Result<(String, RouterConfig), String> {
        let (Some(router), Some(config)) = (router, self.parties.routers.get(&name)) else {
            return Err(format!("there is no virtual router {name} to change"));
        };
        let config = self.equip(&name, config);
        match router.reconfigure(config.clone()).await {
            Ok(()) => Ok((name, config)),
            Err(error) => {
                let why = chain(&error);
                Err(format!("virtual router {name} stays as it was: {why}"))
            }
        }
    }

    /// Adds what the configuration has under these names.
    pub(super) fn start(&self, units: Vec<Unit>) -> impl Future<Output = Did> + Send + 'static {
        let shop = self.clone();
        async move {
            let mut did = Did::default();
            shop.prepare(&units).await;
            for one in join_all(units.iter().map(|unit| shop.add_unit(unit))).await {
                match one {
                    Ok((members, group)) => {
                        did.started.extend(members);
                        did.groups.extend(group);
                    }
                    Err(why) => did.failed.push(why),
                }
            }
            did
        }
    }

    async fn add_unit(&self, unit: &Unit) -> Result<Added, String> {
        let names = self.parties.units.get(unit).into_iter().flatten();
        let mut members = Vec::new();
        for name in names {
            if let Some(config) = self.parties.routers.get(name) {
                let start = match self.adopt.get(name).copied() {
                    Some(advertised) => Start::Adopt { advertised },
                    None => Start::Fresh,
                };
                members.push((name.as_str(), self.equip(name, config), start));
            }
        }
        match unit {
            Unit::Router(_) => self.add(members).await,
            Unit::Group(name) => self.add_group(name, members).await,
        }
    }

    /// Makes the machine ready for routers, with one look at each interface: there may be many routers on it.
    async fn prepare(&self, units: &[Unit]) {
        let mut interfaces: BTreeMap<&str, BTreeMap<IpNet, &str>> = BTreeMap::new();
        let names = units.iter().filter_map(|unit| self.parties.units.get(unit));
        for name in names.flatten() {
            let Some(config) = self.parties.routers.get(name) else {
                continue;
            };
            self.machine.introduce(config);
            if !self.adopt.contains_key(name) {
                let addresses = config.addresses().iter();
                let addresses = addresses.map(|address| (*address, name.as_str()));
                let interface = interfaces.entry(config.interface()).or_default();
                interface.extend(addresses);
            }
        }
        let interfaces = interfaces.iter();
        let clear =
            interfaces.map(|(interface, addresses)| self.machine.clear(interface, addresses));
        join_all(clear).await;
    }

    /// The configuration with what outlives this process.
    fn equip(&self, name: &str, config: &RouterConfig) -> RouterConfig {
        let config = self.sequences.carry_on(config.clone());
        match &self.beats {
            Some(beats) => config.beat(Arc::new(beats.router(name))),
            None => config,
        }
    }

    async fn add(&self, members: Vec<(&str, RouterConfig, Start)>) -> Result<Added, String> {
        let mut added = Vec::new();
        for (name, config, start) in members {
            let router = self
                .machine
                .node
                .add_with(name, config.clone(), start)
                .await
                .map_err(|error| {
                    format!("virtual router {name} cannot be added: {}", chain(&error))
                })?;
            added.push((name.to_owned(), Member { config, router }));
        }
        Ok((added, None))
    }

    async fn add_group(
        &self,
        name: &str,
        members: Vec<(&str, RouterConfig, Start)>,
    ) -> Result<Added, String> {
        let added = self
            .machine
            .node
            .add_group_with(name, members.iter().cloned());
        let group = added
            .await
            .map_err(|error| format!("sync group {name} cannot be added: {}", chain(&error)))?;
        let routers = group.routers().iter().cloned();
        let named = members.into_iter().zip(routers);
        let named =
            named.map(|((name, config, _), router)| (name.to_owned(), Member { config, router }));
        Ok((named.collect(), Some((name.to_owned(), group))))
    }
}

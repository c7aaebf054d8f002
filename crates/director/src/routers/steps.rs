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
            let (adopting, fresh) = by_urgency(units, &shop.parties, &shop.adopt);
            shop.introduce(&adopting);
            shop.add_all(&adopting, &mut did).await;
            shop.introduce(&fresh);
            shop.clear(&fresh).await;
            shop.add_all(&fresh, &mut did).await;
            did
        }
    }

    async fn add_all(&self, units: &[Unit], did: &mut Did) {
        for one in join_all(units.iter().map(|unit| self.add_unit(unit))).await {
            match one {
                Ok((members, group)) => {
                    did.started.extend(members);
                    did.groups.extend(group);
                }
                Err(why) => did.failed.push(why),
            }
        }
    }

    async fn add_unit(&self, unit: &Unit) -> Result<Added, String> {
        let routers = self.parties.of(std::slice::from_ref(unit));
        let members = routers.map(|(name, config)| {
            let start = match self.adopt.get(name).copied() {
                Some(advertised) => Start::Adopt { advertised },
                None => Start::Fresh,
            };
            (name, self.equip(name, config), start)
        });
        let members = members.collect();
        match unit {
            Unit::Router(_) => self.add(members).await,
            Unit::Group(name) => self.add_group(name, members).await,
        }
    }

    fn introduce(&self, units: &[Unit]) {
        for (_, config) in self.parties.of(units) {
            self.machine.introduce(config);
        }
    }

    /// Takes away what a process that died left behind, with one look at each interface: there may be many routers on it.
    async fn clear(&self, units: &[Unit]) {
        let mut interfaces: BTreeMap<&str, BTreeMap<IpNet, &str>> = BTreeMap::new();
        let routers = self.parties.of(units);
        for (name, config) in routers.filter(|(name, _)| !self.adopt.contains_key(*name)) {
            let addresses = config.addresses().iter();
            let addresses = addresses.map(|address| (*address, name));
            let interface = interfaces.entry(config.interface()).or_default();
            interface.extend(addresses);
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

/// Those whose routers all go on with masterships first: they do so only if it is soon, and wait for nothing.
fn by_urgency(
    units: Vec<Unit>,
    parties: &Parties,
    adopt: &BTreeMap<String, Instant>,
) -> (Vec<Unit>, Vec<Unit>) {
    units.into_iter().partition(|unit| {
        let mut routers = parties.of(std::slice::from_ref(unit));
        routers.all(|(name, _)| adopt.contains_key(name))
    })
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::parties;
    use super::*;
    use crate::clock;

    #[test]
    fn who_goes_on_as_master_waits_for_nobody_else() {
        let all = parties(
            &[("a", 1, ""), ("b", 2, ""), ("c", 3, ""), ("d", 4, "")],
            &[("g", &["c", "d"])],
        );
        let units: Vec<Unit> = all.units.keys().cloned().collect();
        let router = |name: &str| Unit::Router(name.to_owned());
        let group = Unit::Group("g".to_owned());
        let adopt = |names: &[&str]| {
            let names = names.iter().map(|name| ((*name).to_owned(), clock::now()));
            by_urgency(units.clone(), &all, &names.collect())
        };
        assert_eq!(
            adopt(&[]),
            (vec![], vec![router("a"), router("b"), group.clone()])
        );
        assert_eq!(
            adopt(&["b", "c"]),
            (vec![router("b")], vec![router("a"), group.clone()]),
            "what another member left has to be looked for first"
        );
        assert_eq!(
            adopt(&["c", "d"]),
            (vec![group], vec![router("a"), router("b")])
        );
    }
}

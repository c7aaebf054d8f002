//! Carrying out a plan, step by step. A step runs beside the loop of the side, which stays free to answer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use locum_vrrp::{Group, Router, RouterConfig, Start};

use super::machine::Machine;
use super::plan::{Parties, Unit};
use super::roll::{Member, Roll};
use crate::process::Beats;
use crate::sequence::Sequences;
use crate::words::chain;

/// What became of a step.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, and only passed on"
)]
pub(super) enum Did {
    Changed {
        name: String,
        config: RouterConfig,
    },
    Started {
        members: Vec<(String, Member)>,
        group: Option<(String, Group)>,
    },
    /// It could not be done, and why.
    Failed(String),
}

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

    /// Has a router that runs go on with what the configuration has.
    pub(super) fn change(
        &self,
        name: String,
        roll: &Roll,
    ) -> impl Future<Output = Did> + Send + 'static {
        let shop = self.clone();
        let router = roll.members.get(&name).map(|member| member.router.clone());
        async move { shop.reconfigure(name, router).await }
    }

    async fn reconfigure(&self, name: String, router: Option<Router>) -> Did {
        let (Some(router), Some(config)) = (router, self.parties.routers.get(&name)) else {
            return Did::Failed(format!("there is no virtual router {name} to change"));
        };
        let config = self.equip(&name, config);
        match router.reconfigure(config.clone()).await {
            Ok(()) => Did::Changed { name, config },
            Err(error) => {
                let why = chain(&error);
                Did::Failed(format!("virtual router {name} stays as it was: {why}"))
            }
        }
    }

    /// Adds what the configuration has under this name.
    pub(super) fn start(&self, unit: Unit) -> impl Future<Output = Did> + Send + 'static {
        let shop = self.clone();
        async move { shop.add_unit(unit).await }
    }

    async fn add_unit(&self, unit: Unit) -> Did {
        let names = self.parties.units.get(&unit).into_iter().flatten();
        let mut members = Vec::new();
        for name in names {
            if let Some(config) = self.parties.routers.get(name) {
                let start = self.prepare(name, config).await;
                members.push((name.as_str(), self.equip(name, config), start));
            }
        }
        let added = match &unit {
            Unit::Router(_) => self.add(members).await,
            Unit::Group(name) => self.add_group(name, members).await,
        };
        added.unwrap_or_else(Did::Failed)
    }

    /// Makes the machine ready for a router, and tells how that begins.
    async fn prepare(&self, name: &str, config: &RouterConfig) -> Start {
        self.machine.introduce(config);
        if let Some(advertised) = self.adopt.get(name) {
            return Start::Adopt {
                advertised: *advertised,
            };
        }
        self.machine.clear(name, config).await;
        Start::Fresh
    }

    /// The configuration with what outlives this process.
    fn equip(&self, name: &str, config: &RouterConfig) -> RouterConfig {
        let config = self.sequences.carry_on(config.clone());
        match &self.beats {
            Some(beats) => config.beat(Arc::new(beats.router(name))),
            None => config,
        }
    }

    async fn add(&self, members: Vec<(&str, RouterConfig, Start)>) -> Result<Did, String> {
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
        Ok(Did::Started {
            members: added,
            group: None,
        })
    }

    async fn add_group(
        &self,
        name: &str,
        members: Vec<(&str, RouterConfig, Start)>,
    ) -> Result<Did, String> {
        let added = self
            .machine
            .node
            .add_group_with(name, members.iter().cloned());
        let group = added
            .await
            .map_err(|error| format!("sync group {name} cannot be added: {}", chain(&error)))?;
        let routers = group.routers().iter().cloned();
        let named = members.into_iter().zip(routers);
        Ok(Did::Started {
            members: named
                .map(|((name, config, _), router)| (name.to_owned(), Member { config, router }))
                .collect(),
            group: Some((name.to_owned(), group)),
        })
    }
}

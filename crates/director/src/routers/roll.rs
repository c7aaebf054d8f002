//! Which virtual routers run.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::future::join_all;
use locum_vrrp::{Group, Router, RouterConfig, RouterStatus};

use super::RoutersReport;
use super::plan::Unit;
use crate::journal::Journal;
use crate::report;

/// One virtual router.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) config: RouterConfig,
    pub(super) router: Router,
}

/// Everything that runs.
#[derive(Debug, Default)]
pub(super) struct Roll {
    pub(super) members: BTreeMap<String, Member>,
    pub(super) groups: BTreeMap<String, Group>,
    /// What hands over, and is then gone.
    leaving: BTreeMap<Unit, BTreeMap<String, Member>>,
    /// In which order routers and groups are told of.
    order: Vec<String>,
    group_order: Vec<String>,
}

impl Roll {
    pub(super) fn order(&mut self, routers: Vec<String>, groups: Vec<String>) {
        self.order = routers;
        self.group_order = groups;
    }

    pub(super) fn status(&self, name: &str) -> Option<RouterStatus> {
        let mut leaving = self.leaving.values();
        let member = self.members.get(name);
        let member = member.or_else(|| leaving.find_map(|members| members.get(name)))?;
        Some(member.router.status())
    }

    /// From now on a unit is leaving. Returns its routers, and what ends when it has left.
    pub(super) fn leaves(
        &mut self,
        unit: &Unit,
    ) -> (
        &BTreeMap<String, Member>,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let names = match unit {
            Unit::Router(name) => vec![name.clone()],
            Unit::Group(name) => {
                let group = self.groups.remove(name);
                let routers = group.iter().flat_map(Group::routers);
                routers.map(|router| router.name().to_string()).collect()
            }
        };
        let members = names
            .iter()
            .filter_map(|name| self.members.remove_entry(name));
        let leaving = self.leaving.entry(unit.clone()).or_default();
        leaving.extend(members);
        let routers = leaving.values().map(|member| member.router.clone());
        let routers: Vec<Router> = routers.collect();
        let left = async move {
            // The library bounds how long that takes.
            join_all(routers.iter().map(Router::stop)).await;
        };
        (leaving, left)
    }

    /// Forgets a unit that has left.
    pub(super) fn strike(&mut self, unit: &Unit) {
        self.leaving.remove(unit);
    }

    pub(super) fn report(&self, now: Instant, journal: &Journal) -> RoutersReport {
        let members = self.order.iter().filter_map(|name| self.members.get(name));
        let routers = members.map(|Member { config, router }| {
            let status = router.status();
            report::router(now, config, &status, &journal.chapter(&status.name))
        });
        let groups = self.group_order.iter();
        let groups = groups.filter_map(|name| self.groups.get(name));
        RoutersReport {
            routers: routers.collect(),
            sync_groups: groups
                .map(|group| report::sync_group(now, &group.status()))
                .collect(),
        }
    }
}

//! Which virtual routers run.

use std::collections::BTreeMap;
use std::time::Instant;

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
        Some(self.members.get(name)?.router.status())
    }

    /// Forgets a unit that has stopped.
    pub(super) fn strike(&mut self, unit: &Unit) {
        match unit {
            Unit::Router(name) => {
                self.members.remove(name);
            }
            Unit::Group(name) => {
                let group = self.groups.remove(name);
                for router in group.iter().flat_map(Group::routers) {
                    self.members.remove(&*router.name());
                }
            }
        }
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

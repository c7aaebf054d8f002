//! What is watched for whom.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{Subject, Tracked, Tracking};
use crate::config::Config;

/// What the configuration says, by virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    pub(crate) routers: BTreeMap<String, Watched>,
    pub(crate) tracking: Tracking,
}

/// What is watched for one virtual router, for its sync group included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The configured priority; 255 is the owner's.
    pub(crate) base: u8,
    pub(crate) tracked: Vec<Tracked>,
}

impl Plan {
    pub(crate) fn of(config: &Config) -> Self {
        let mut routers = BTreeMap::new();
        for router in &config.virtual_routers {
            let groups = config.sync_groups.iter();
            let of_groups = groups
                .filter(|group| group.members.contains(&router.name))
                .flat_map(|group| &group.track);
            let watched = Watched {
                base: router.router.election().priority().get(),
                tracked: router.track.iter().chain(of_groups).cloned().collect(),
            };
            routers.insert(router.name.clone(), watched);
        }
        Self {
            routers,
            tracking: config.tracking.clone(),
        }
    }

    /// Everything that somebody makes something of. The rest is not watched.
    pub(super) fn subjects(&self) -> BTreeSet<&Subject> {
        let all = self.routers.values().flat_map(|router| &router.tracked);
        all.map(|tracked| &tracked.subject).collect()
    }
}

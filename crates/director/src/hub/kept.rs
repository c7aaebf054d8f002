//! What is kept of the configuration in force, so that a side that starts again gets all of it again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::{self, Config, Memory, Source};
use crate::notify::Notification;
use crate::overrides::{Known, Overrides};
use crate::track::{self, Verdict};

/// A configuration, with what the hub itself has to know of it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) source: Source,
    /// What of it the virtual routers have to do with.
    pub(super) of_routers: Source,
    /// What a reload need not read again.
    pub(super) memory: Memory,
    pub(super) director: config::Director,
    pub(super) known: Known,
    /// Who is told what happens.
    pub(super) notification: Notification,
    /// What is watched for virtual routers.
    pub(super) tracking: track::Plan,
    /// The priority of each virtual router.
    pub(super) priorities: BTreeMap<String, u8>,
    /// How often each virtual router advertises, in the order of the configuration.
    pub(super) intervals: Vec<(String, Duration)>,
}

/// What a virtual router is to be told beyond its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) verdict: Verdict,
    pub(super) stand_by: Option<Instant>,
}

impl Kept {
    pub(super) fn new(source: Source, config: &Config) -> Self {
        let routers = config.virtual_routers.iter();
        Self {
            of_routers: source.without_services(config),
            source,
            memory: config.memory.clone(),
            director: config.director.clone(),
            known: Known::of(config),
            notification: config.notification.clone(),
            tracking: track::Plan::of(config),
            intervals: routers
                .clone()
                .map(|named| {
                    let interval = named.router.election().interval().duration();
                    (named.name.clone(), interval)
                })
                .collect(),
            priorities: routers
                .map(|named| {
                    let priority = named.router.election().priority().get();
                    (named.name.clone(), priority)
                })
                .collect(),
        }
    }

    /// What each virtual router is to be told, with what it would do untold.
    pub(super) fn wishes(
        &self,
        verdicts: &BTreeMap<String, Verdict>,
        overrides: &Overrides,
    ) -> Vec<(&str, Wish, Wish)> {
        let routers = self.priorities.keys();
        let wishes = routers.filter_map(|name| self.wish(name, verdicts, overrides));
        wishes.collect()
    }

    /// The same of one; `None`: it is not configured.
    pub(super) fn wish(
        &self,
        router: &str,
        verdicts: &BTreeMap<String, Verdict>,
        overrides: &Overrides,
    ) -> Option<(&str, Wish, Wish)> {
        let (name, priority) = self.priorities.get_key_value(router)?;
        let untold = Verdict {
            fault: false,
            priority: *priority,
        };
        let wish = Wish {
            verdict: verdicts.get(name).copied().unwrap_or(untold),
            stand_by: overrides.stand_by(name, &self.known),
        };
        let untold = Wish {
            verdict: untold,
            stand_by: None,
        };
        Some((name.as_str(), wish, untold))
    }
}

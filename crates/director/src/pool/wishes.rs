//! What the operator wants of servers at run time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::service::deadline;
use super::{Before, Pools};
use crate::overrides::{ServerOverride, ServerWish};

/// Wishes by service and server; those of servers that are not there wait for them.
#[derive(Debug, Default)]
pub(super) struct Wishes(BTreeMap<String, BTreeMap<String, ServerWish>>);

impl Wishes {
    fn new(all: &[ServerOverride]) -> Self {
        let mut wishes = Self::default();
        for one in all {
            let servers = wishes.0.entry(one.service.clone()).or_default();
            servers.insert(one.server.clone(), one.wish);
        }
        wishes
    }

    pub(super) fn of(&self, service: &str, server: &str) -> Option<ServerWish> {
        self.0.get(service)?.get(server).copied()
    }
}

impl Pools {
    /// From now on this is all that the operator wants otherwise than the configuration says. It stays over a
    /// [`replace`](Self::replace).
    pub(crate) fn override_servers(&mut self, now: Instant, all: &[ServerOverride]) {
        self.expire(now);
        self.wishes = Wishes::new(all);
        let mut changed = false;
        for (config, pool) in self.site.services.iter().zip(&mut self.pools) {
            let until = deadline(now, config.drain_timeout);
            for (one, server) in config.servers.iter().zip(&mut pool.servers) {
                let wish = self.wishes.of(&config.name, &one.name);
                if wish != server.extra().wish {
                    let found = Before::of(one, server, config.on_failure).found;
                    server.change(|extra| extra.wish = wish);
                    server.assign(now, until, one.admin, found);
                    changed = true;
                }
            }
        }
        if changed {
            self.add_up(self.burst.settings());
            self.decide(now);
            self.reschedule();
        }
    }
}

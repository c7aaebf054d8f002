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
        for pool in &mut self.pools {
            let until = deadline(now, pool.drain_timeout);
            for server in &mut pool.servers {
                let wish = self.wishes.of(&pool.name, &server.name);
                if wish != server.wish {
                    let found = Before::of(server, pool.on_failure).found;
                    server.wish = wish;
                    server.assign(now, until, found);
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

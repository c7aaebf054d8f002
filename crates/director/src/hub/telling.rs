//! What the sides are told beyond their configuration.

use std::time::Instant;

use tracing::debug;

use super::Hub;
use super::kept::Wish;
use crate::checker;
use crate::clock;
use crate::report::millis;
use crate::routers;
use crate::status::StateName;
use crate::track::{self, Verdict};

/// Is one in this state master to the checker side? One that still answers until its successor does is.
pub(super) const fn answers(state: StateName) -> bool {
    matches!(state, StateName::Master | StateName::Leaving)
}

impl Hub {
    /// Tells the checker side which routers are master.
    pub(super) fn tell_masters(&self) {
        let states = self.states.iter();
        let masters = states.map(|(name, state)| (name.clone(), answers(*state)));
        self.sides
            .checker(checker::Order::Masters(masters.collect()));
    }

    /// Tells the sides what the operator has changed, or what has lapsed.
    pub(super) fn follow_overrides(&mut self) {
        let mut any = false;
        while let Some(what) = self.overrides.poll_event() {
            any = true;
            self.happened(what);
        }
        if any {
            let routers = self.kept.iter().flat_map(|kept| kept.priorities.keys());
            for router in routers {
                self.trackers.send(track::Input::Priority {
                    router: router.clone(),
                    priority: self.overrides.priority(router),
                });
            }
            self.tell_servers();
            self.tell_routers();
        }
    }

    pub(super) fn tell_servers(&self) {
        let servers = self.overrides.servers();
        self.sides.checker(checker::Order::Override(servers));
    }

    /// Tells the virtual routers what they do not know yet.
    pub(super) fn tell_routers(&mut self) {
        let Some(kept) = &self.kept else { return };
        let wishes = kept.wishes(&self.verdicts, &self.overrides).into_iter();
        let wishes = wishes.map(|(name, wish, untold)| (name.to_owned(), wish, untold));
        for (name, wish, untold) in wishes.collect::<Vec<_>>() {
            self.tell_one(&name, wish, untold);
        }
    }

    /// The same for one of them.
    pub(super) fn tell_router(&mut self, router: &str) {
        let Some(kept) = &self.kept else { return };
        if let Some((_, wish, untold)) = kept.wish(router, &self.verdicts, &self.overrides) {
            self.tell_one(router, wish, untold);
        }
    }

    fn tell_one(&mut self, name: &str, wish: Wish, untold: Wish) {
        let told = self.told.get(name).copied().unwrap_or(untold);
        if told.verdict != wish.verdict {
            self.sides.routers(routers::Order::Track {
                router: name.to_owned(),
                verdict: wish.verdict,
            });
        }
        if told.stand_by != wish.stand_by {
            let now = clock::now();
            let left = |until: Instant| millis(until.saturating_duration_since(now));
            self.sides.routers(routers::Order::StandBy {
                router: name.to_owned(),
                for_ms: wish.stand_by.map(left),
            });
        }
        if told != wish {
            self.told.insert(name.to_owned(), wish);
        }
    }

    /// Tells the virtual routers everything again, of which some may be new or may have forgotten.
    pub(super) fn tell_routers_again(&mut self) {
        let Some(kept) = &self.kept else { return };
        for (name, wish, untold) in kept.wishes(&self.verdicts, &self.overrides) {
            if wish != untold || self.told.contains_key(name) {
                // Not what any of them could be told: so each is.
                let forgotten = Wish {
                    verdict: Verdict {
                        fault: !wish.verdict.fault,
                        priority: 0,
                    },
                    stand_by: None,
                };
                self.told.insert(name.to_owned(), forgotten);
            }
        }
        self.told
            .retain(|name, _| kept.priorities.contains_key(name));
        debug!(routers = self.told.len(), "virtual routers are told again");
        self.tell_routers();
    }
}

//! What routers tell of themselves: news at once, counters within about a second, or when somebody asks.

use std::time::Instant;

use super::{Due, Engine};
use crate::command::RouterId;
use crate::rhythm::{COUNTED, COUNTED_AT_ONCE, COUNTED_NEXT};
use crate::transport::Transport;

impl<T: Transport> Engine<T> {
    pub(super) fn publish(&mut self, now: Instant, id: RouterId) {
        if let Some(router) = self.routers.get_mut(&id) {
            let counters = self.lanes.get(&router.lane).map(|lane| lane.counters);
            router.publish(now, &self.groups, counters.unwrap_or_default());
        }
    }

    /// Publishes what was counted, now if that was not done lately.
    pub(super) fn publish_in_time(&mut self, now: Instant, id: RouterId) {
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        if router.has_counted {
            return;
        }
        if now.saturating_duration_since(router.published) >= COUNTED {
            self.publish(now, id);
            return;
        }
        router.has_counted = true;
        if self.counted.is_empty() {
            self.deadlines.insert((now + COUNTED, Due::Counted));
        }
        self.counted.push_back(id);
    }

    /// Publishes what those have counted that wait longest.
    pub(super) fn publish_counted(&mut self, now: Instant) {
        for _ in 0..COUNTED_AT_ONCE {
            if !self.publish_next(now) {
                return;
            }
        }
        if !self.counted.is_empty() {
            self.deadlines.insert((now + COUNTED_NEXT, Due::Counted));
        }
    }

    /// Publishes what any router has counted.
    pub(super) fn publish_all(&mut self, now: Instant) {
        while self.publish_next(now) {}
    }

    /// False if nobody waits.
    fn publish_next(&mut self, now: Instant) -> bool {
        let Some(id) = self.counted.pop_front() else {
            return false;
        };
        if let Some(router) = self.routers.get_mut(&id) {
            router.has_counted = false;
            self.publish(now, id);
        }
        true
    }
}

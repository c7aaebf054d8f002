//! How packets come in, and how long they wait for those that follow them.

use std::time::{Duration, Instant};

use super::Engine;
use crate::clock;
use crate::instance::Instance;
use crate::rhythm;
use crate::transport::{LaneId, Transport};

/// So many packets at once are part of a flow that goes on.
pub(super) const FLOW: usize = 4;
/// In one lull of so many the runtime looks at everything there is.
const LOOKS: u8 = 8;

/// How packets came in last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// One by one, or not at all.
    Ebbs,
    /// Many together.
    Runs,
}

impl<T: Transport> Engine<T> {
    /// How long it may rest amid a flow, once there is nothing left to do.
    pub(super) fn lull(&self) -> Option<Duration> {
        match self.flow {
            Flow::Ebbs => None,
            Flow::Runs => self.shortest.and_then(rhythm::lull),
        }
    }

    /// Sleeps first and looks then: to be woken by the first packet, and to wait for the others after that, costs more than to
    /// read them all.
    pub(super) async fn rest(&mut self, next: Option<Instant>, lull: Duration) {
        self.flow = Flow::Ebbs;
        self.rested = lull;
        self.gather(next, lull);
        self.lulls = self.lulls.wrapping_add(1);
        match self.only_lane() {
            // It is known where the next packets are.
            Some(lane) if !self.lulls.is_multiple_of(LOOKS) => {
                self.transport.look_anyway(lane);
                self.read(lane);
            }
            // The runtime is to look what there is now, and not to wait for it.
            Some(_) | None => tokio::task::yield_now().await,
        }
    }

    /// Lets packets gather that follow the one that has just come, but never beyond the `next` deadline.
    pub(super) fn gather(&mut self, next: Option<Instant>, time: Duration) {
        let left = next.map(|next| next.saturating_duration_since(clock::now()));
        let time = left.map_or(time, |left| left.min(time));
        self.transport.gather(time);
    }

    fn only_lane(&self) -> Option<LaneId> {
        let mut lanes = self.lanes.keys().copied();
        lanes.next().filter(|_| lanes.next().is_none())
    }

    /// The shortest interval may be another one.
    pub(super) fn keep_pace(&mut self) {
        self.shortest = self.routers.values().map(|router| interval(router)).min();
    }
}

pub(super) fn interval(router: &Instance) -> Duration {
    router.config.election().interval().duration()
}

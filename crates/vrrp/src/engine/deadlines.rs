//! When each router is to be looked at.
//!
//! A router is in the queue once, no later than its election's deadline and often earlier: each advertisement moves a
//! Backup's deadline into the future, and to move it in the queue each time would cost more than to find it early now and
//! then.

use std::time::Instant;

use locum_vrrp_election::{Input, State};

use super::{Due, Engine};
use crate::command::RouterId;
use crate::group::Groups;
use crate::instance::Instance;
use crate::lane::Lane;
use crate::rhythm::Rhythm;
use crate::transport::Transport;

impl<T: Transport> Engine<T> {
    pub(super) fn serve_due(&mut self, now: Instant) {
        let mut was_early = false;
        while let Some((_, due)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.pop_first();
            match due {
                Due::Counted => self.publish_counted(now),
                Due::Election(id) => was_early |= !self.serve_election(now, id),
                Due::Renewals => self.renew_all(now),
                Due::Reopen(lane) => self.reopen(now, lane),
                Due::StopBound(id) => self.stop_now(now, id),
            }
        }
        if was_early {
            self.put_off();
        }
    }

    /// False if it is not due yet.
    fn serve_election(&mut self, now: Instant, id: RouterId) -> bool {
        let Some(router) = self.routers.get_mut(&id) else {
            return true;
        };
        router.queued = None;
        let Some(at) = router.due else {
            return true;
        };
        if at > now {
            self.queue(id);
            return false;
        }
        if self.is_doubtful(at, id) {
            self.doubted.push(id);
        } else {
            // A timeout is never refused.
            let _ = self.feed(now, id, Input::Timeout);
        }
        true
    }

    /// Queues anew those that would be found early next, all at once rather than with a wake-up for each.
    fn put_off(&mut self) {
        while let Some((at, Due::Election(id))) = self.deadlines.first().copied()
            && let Some(router) = self.routers.get_mut(&id)
            && router.due != Some(at)
        {
            self.deadlines.pop_first();
            router.queued = None;
            self.queue(id);
        }
    }

    /// May there be an advertisement in the queue that came in time? This process was late, and so may be its reader.
    fn is_doubtful(&self, at: Instant, id: RouterId) -> bool {
        let Some(router) = self.routers.get(&id) else {
            return false;
        };
        let lane = self.lanes.get(&router.lane);
        let is_unread = |lane: &Lane| {
            lane.open.is_some() && lane.read_to_its_end.is_none_or(|moment| moment < at)
        };
        let election = router.seat.election(&self.groups);
        let is_backup = election.is_some_and(|election| election.state() == State::Backup);
        self.doubt > 0 && is_backup && lane.is_some_and(is_unread)
    }

    /// Its election may have another deadline.
    pub(super) fn reschedule(&mut self, id: RouterId) {
        if let Some(router) = self.routers.get_mut(&id) {
            router.due = deadline(router, &self.groups, self.rhythm);
            self.queue(id);
        }
    }

    /// Has the router looked at in time.
    pub(super) fn queue(&mut self, id: RouterId) {
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        match (router.queued, router.due) {
            (Some(queued), Some(due)) if queued <= due => return,
            (Some(queued), _) => {
                self.deadlines.remove(&(queued, Due::Election(id)));
            }
            (None, _) => {}
        }
        if let Some(due) = router.due {
            self.deadlines.insert((due, Due::Election(id)));
        }
        router.queued = router.due;
    }
}

/// When its election is to be told that it is time.
fn deadline(router: &Instance, groups: &Groups, rhythm: Rhythm) -> Option<Instant> {
    let election = router.seat.election(groups)?;
    let deadline = election.poll_timeout()?;
    let interval = election.config().interval().duration();
    Some(rhythm.serve_at(deadline.timer, deadline.at, interval))
}

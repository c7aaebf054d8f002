//! Feeding an election, carrying out what it wants, and what the address tasks report.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_vip::{AddressError, Outcome};
use locum_vrrp_election::{Action, Effect, HoldId, Input, Rejected, State};
use locum_vrrp_wire::Priority;

use super::{Due, Engine};
use crate::addresses::{Hold, Report, ReportKind, Results};
use crate::clock;
use crate::command::RouterId;
use crate::group::Seat;
use crate::instance::Instance;
use crate::record::Record;
use crate::status::EventKind;
use crate::transport::{LaneId, Transport};

impl<T: Transport> Engine<T> {
    /// One input, all of its actions, the new deadline. Whatever fails at once goes back in.
    pub(super) fn feed(
        &mut self,
        now: Instant,
        id: RouterId,
        input: Input,
    ) -> Result<(), Rejected> {
        let result = self.feed_once(now, id, input);
        self.feed_failures(now);
        self.fed(now, id);
        result
    }

    /// An election that cannot send goes into fault after some attempts, so that this ends.
    pub(super) fn feed_failures(&mut self, now: Instant) {
        while let Some((id, effect)) = self.failed.pop() {
            // An effect is never refused.
            let _ = self.feed_once(now, id, Input::Effect(effect));
        }
    }

    /// What a router is to be woken for, and what it tells, after its election changed; and its group with it.
    fn fed(&mut self, now: Instant, id: RouterId) {
        match self.routers.get(&id).and_then(|router| router.seat.group()) {
            Some(group) => self.group_fed(now, group, id),
            None => self.refresh(now, id),
        }
    }

    pub(super) fn refresh(&mut self, now: Instant, id: RouterId) {
        self.reschedule(id);
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        router.clear_leftovers(now, &self.groups);
        if router.has_news(&self.groups) {
            self.publish(now, id);
        } else {
            self.publish_in_time(now, id);
        }
    }

    fn feed_once(&mut self, now: Instant, id: RouterId, input: Input) -> Result<(), Rejected> {
        let Some(router) = self.routers.get_mut(&id) else {
            return Ok(());
        };
        let name = (self.recorder.is_some() && router.recorded).then(|| Arc::clone(&router.name));
        match &mut router.seat {
            Seat::Alone(election) => {
                let result = election.handle(now, input);
                let mut actions = Vec::new();
                let mut next = election.poll_action();
                while let Some(action) = next {
                    if name.is_some() {
                        actions.push(action);
                    }
                    self.carry_out(now, id, action);
                    next = self
                        .routers
                        .get_mut(&id)
                        .and_then(|router| next_action(router));
                }
                if let Some(router) = name {
                    self.record(Record::Event {
                        at: now,
                        router,
                        input,
                        result,
                        actions,
                    });
                }
                result
            }
            Seat::Member { group, place } => {
                let (group, place) = (*group, *place);
                let elections = self
                    .groups
                    .get_mut(&group)
                    .map(|group| &mut group.elections);
                let result = elections.map_or(Ok(()), |group| group.handle(now, place, input));
                self.carry_out_group(now, group);
                result
            }
        }
    }

    pub(super) fn carry_out(&mut self, now: Instant, id: RouterId, action: Action) {
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        match action {
            Action::Advertise(priority) => {
                let sent = advertise(&mut self.transport, router, priority, clock::wall());
                let failed_before = std::mem::replace(&mut router.said.send_failed, sent.is_err());
                if sent.is_ok()
                    && !priority.is_stop()
                    && let Some(beat) = router.config.heard_by()
                {
                    beat.advertised();
                }
                if let Err(error) = sent {
                    self.failed.push((id, Effect::NotSent));
                    if !failed_before {
                        self.say(now, id, EventKind::SendFailed(Arc::new(error)));
                    }
                }
            }
            Action::Hold { id: hold, until } => {
                router.holding = true;
                let held = router.wanted.borrow().hold;
                if held.is_some_and(|held| held.id == hold) {
                    self.renew_soon(now, id);
                } else if !router.hold(Hold { id: hold, until }) {
                    self.failed.push((id, Effect::HoldFailed(hold)));
                }
            }
            Action::Release => router.wanted.send_modify(|wanted| {
                wanted.hold = None;
                wanted.releases += 1;
            }),
            Action::Announce => router.wanted.send_modify(|wanted| wanted.announce += 1),
            Action::Transition(transition) => {
                router.transited(now, transition);
                if transition.from == State::Master {
                    // The neighbours are to hear of the successor last.
                    router
                        .wanted
                        .send_modify(|wanted| wanted.hushed = wanted.announce);
                    if let Some(beat) = router.config.heard_by() {
                        beat.ended();
                    }
                }
                self.say(now, id, EventKind::Transition(transition));
            }
        }
    }

    /// Not at once: a renewal of its own has the driver look at all addresses of the interface.
    fn renew_soon(&mut self, now: Instant, id: RouterId) {
        if self.renewals.is_empty() {
            let at = self.rhythm.renewals_at(now);
            self.deadlines.insert((at, Due::Renewals));
        }
        self.renewals.insert(id);
    }

    pub(super) fn renew_all(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.renewals) {
            let Some(router) = self.routers.get(&id) else {
                continue;
            };
            let election = router.seat.election(&self.groups);
            // Unless it has let go of them meanwhile.
            if let Some((hold, until)) = election.and_then(|election| election.holds())
                && !router.hold(Hold { id: hold, until })
            {
                // An effect is never refused.
                let _ = self.feed(now, id, Input::Effect(Effect::HoldFailed(hold)));
            }
        }
    }

    pub(super) fn reported(&mut self, now: Instant, Report { router: id, kind }: Report) {
        match kind {
            ReportKind::Absent(results) => self.absent(now, id, results),
            ReportKind::Announced(Ok(())) => {
                if let Some(router) = self.routers.get(&id) {
                    router.status.send_if_modified(|status| {
                        status.announcements_sent += 1;
                        false
                    });
                }
            }
            ReportKind::Announced(Err(error)) => {
                self.say(now, id, EventKind::AnnounceFailed(Arc::new(error)));
            }
            ReportKind::Gone(failures) => {
                for (address, error) in failures {
                    let error = Arc::new(error);
                    self.say(now, id, EventKind::ReleaseFailed { address, error });
                }
            }
            ReportKind::Present {
                id: hold,
                results,
                again,
                late,
            } => {
                self.present(now, id, hold, results, again, late);
            }
        }
    }

    fn present(
        &mut self,
        now: Instant,
        id: RouterId,
        hold: HoldId,
        results: Results,
        again: bool,
        late: bool,
    ) {
        let Some(router) = self.routers.get(&id) else {
            return;
        };
        let ok = |index| !late && results.get(index).is_some_and(Result::is_ok);
        router.set_held(ok);
        let expired = |result: &_| matches!(result, Err(AddressError::Expired));
        let effect = if results
            .iter()
            .any(|result| result.is_err() && !expired(result))
        {
            Effect::HoldFailed(hold)
        } else if late || results.iter().any(expired) {
            Effect::HoldLapsed(hold)
        } else {
            Effect::Held(hold)
        };
        let addresses = router.status.borrow().addresses.clone();
        for (status, result) in addresses.iter().zip(results) {
            let address = status.address;
            match result {
                Ok(Outcome::Changed) if again && !late => {
                    self.count_restored(id);
                    self.say(now, id, EventKind::AddressRestored { address });
                }
                Ok(_) | Err(AddressError::Expired) => {}
                Err(error) => {
                    self.say(
                        now,
                        id,
                        EventKind::HoldFailed {
                            address,
                            error: Arc::new(error),
                        },
                    );
                }
            }
        }
        if matches!(effect, Effect::Held(_)) && !again {
            self.say(now, id, EventKind::AddressesHeld);
        }
        // An effect is never refused.
        let _ = self.feed(now, id, Input::Effect(effect));
    }

    fn count_restored(&self, id: RouterId) {
        if let Some(router) = self.routers.get(&id) {
            router
                .status
                .send_modify(|status| status.addresses_restored += 1);
        }
    }

    fn absent(&mut self, now: Instant, id: RouterId, results: Results) {
        let Some(router) = self.routers.get_mut(&id) else {
            return;
        };
        let changed = results
            .iter()
            .any(|result| matches!(result, Ok(Outcome::Changed)));
        let addresses = router.status.borrow().addresses.clone();
        let mut failure = None;
        for (status, result) in addresses.iter().zip(results) {
            match result {
                Ok(_) | Err(AddressError::NoSuchLink) => {}
                Err(error) => failure = Some((status.address, error)),
            }
        }
        let was_said = std::mem::replace(&mut router.said.release_failed, failure.is_some());
        match failure {
            Some((address, error)) => {
                if !was_said {
                    let error = Arc::new(error);
                    self.say(now, id, EventKind::ReleaseFailed { address, error });
                }
            }
            None => {
                let election = router.seat.election(&self.groups);
                router.holding = election.is_some_and(|election| election.holds().is_some());
                router.set_held(|_| false);
                if changed {
                    self.say(now, id, EventKind::AddressesReleased);
                }
            }
        }
    }

    pub(super) fn close_lane(&mut self, id: LaneId) {
        self.transport.close(id);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.open = None;
            lane.header_open = false;
        }
    }
}

fn next_action(router: &mut Instance) -> Option<Action> {
    match &mut router.seat {
        Seat::Alone(election) => election.poll_action(),
        Seat::Member { .. } => None,
    }
}

/// Sends to the group or to every peer. As long as one of them can be reached, the router is not cut off.
fn advertise(
    transport: &mut impl Transport,
    router: &mut Instance,
    priority: Priority,
    wall: Duration,
) -> io::Result<()> {
    let source = router.source.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let carrier = router.packet.begin(wall);
    let mut result = Err(io::ErrorKind::NotConnected.into());
    for index in 0..router.packet.destinations.len() {
        let Some(destination) = router.packet.destinations.get(index).copied() else {
            break;
        };
        let message = router.packet.encode(priority, source, destination)?;
        let sent = transport.send(router.lane, carrier, source, destination, message);
        if result.is_err() {
            result = sent;
        }
    }
    router.packet.keep_record();
    result
}

//! Feeding the elections and carrying out what they want: what `crates/vrrp` does, in the same order.

use std::time::Instant;

use locum_vrrp_election::transcript::EventLine;
use locum_vrrp_election::{Action, Advert, Effect, Input, Reason, State};
use locum_vrrp_wire::Priority;

use super::super::Nanos;
use super::super::machine::{Hold, InKernel, Process};
use super::super::scenario::Pause;
use super::{Event, Subject, World};

/// How long a packet takes.
const LATENCY: (Nanos, Nanos) = (Nanos::micros(50), Nanos::micros(500));
/// How late a timer of the kernel wakes a process.
const LATE: (Nanos, Nanos) = (Nanos::micros(20), Nanos::micros(150));

impl<S: Subject> World<'_, S> {
    /// One turn of the driver's loop: deadlines first, then what came.
    pub(super) fn input(&mut self, machine: u8, vrid: u8, input: Input) {
        self.serve_due(machine);
        self.feed(machine, vrid, input);
    }

    pub(super) fn wake(&mut self, index: u8, unit: u8) {
        let now = self.now;
        if let Some(unit) = &mut self.machine(index).units[usize::from(unit)]
            && unit.armed.is_some_and(|armed| armed <= now)
        {
            unit.armed = None;
        }
        self.serve_due(index);
        self.arm(index, unit);
    }

    pub(super) fn serve_due(&mut self, index: u8) {
        for unit in 0..self.units.len() {
            let machine = &self.machines[usize::from(index)];
            let now = machine.now(self.now);
            let deadline = machine.units[unit].as_ref().and_then(|unit| unit.deadline);
            if deadline.is_some_and(|deadline| deadline <= now) {
                let first = self.units[unit][0];
                self.feed(index, first, Input::Timeout);
            }
        }
    }

    /// One input, all of its actions, the new deadline. Whatever fails at once goes back in.
    fn feed(&mut self, machine: u8, vrid: u8, input: Input) {
        self.feed_once(machine, vrid, input);
        while let Some((vrid, effect)) = self.failed.pop() {
            self.feed_once(machine, vrid, Input::Effect(effect));
        }
        let (unit, _) = self.places[usize::from(vrid)];
        self.arm(machine, unit);
        for member in 0..self.units[usize::from(unit)].len() {
            let vrid = self.units[usize::from(unit)][member];
            self.clear_leftovers(machine, vrid);
            self.step_task(machine, vrid);
            self.check(machine, vrid);
        }
        self.end_if_stopped(machine);
    }

    /// Once they cannot be taken over any more.
    fn clear_leftovers(&mut self, index: u8, vrid: u8) {
        if !self.router(index, vrid).task.keeps_leftovers {
            return;
        }
        let now = self.instant(index);
        let (unit, member) = self.places[usize::from(vrid)];
        let decided = self.unit(index, unit).is_some_and(|unit| {
            let election = unit.subject.election(member);
            election.state() != State::Initialize && !election.is_adopting(now)
        });
        if decided {
            self.router(index, vrid).task.keeps_leftovers = false;
        }
    }

    fn feed_once(&mut self, index: u8, vrid: u8, input: Input) {
        let (place, member) = self.places[usize::from(vrid)];
        let now = self.instant(index);
        let Some(unit) = self.unit(index, place) else {
            return;
        };
        let result = unit.subject.handle(now, member, input);
        let mut actions = Vec::new();
        while let Some((member, action)) = self
            .unit(index, place)
            .and_then(|unit| unit.subject.poll_action())
        {
            if self.transcript.is_some() {
                actions.push(action);
            }
            let vrid = self.units[usize::from(place)][member];
            self.carry_out(index, vrid, action);
        }
        if let Some(transcript) = &mut self.transcript {
            let line = EventLine {
                epoch: self.epoch,
                at: now,
                router: &super::process::name(index, vrid),
                input,
                result,
                actions: &actions,
            };
            transcript.push(line.to_string());
        }
    }

    fn unit(&mut self, machine: u8, unit: u8) -> Option<&mut super::super::machine::Unit<S>> {
        self.machine(machine).units[usize::from(unit)].as_mut()
    }

    /// The machine's idea of now.
    fn instant(&self, machine: u8) -> Instant {
        self.epoch + self.machines[usize::from(machine)].now(self.now).duration()
    }

    /// Takes the new deadline. A timer that is armed for an earlier moment stays so.
    pub(super) fn arm(&mut self, index: u8, place: u8) {
        let (now, epoch) = (self.now, self.epoch);
        let machine = &mut self.machines[usize::from(index)];
        let life = machine.life;
        let Some(unit) = &mut machine.units[usize::from(place)] else {
            return;
        };
        let next = unit.subject.poll_timeout();
        unit.deadline = next.map(|next| next.saturating_duration_since(epoch).into());
        let Some(deadline) = unit.deadline else {
            return;
        };
        let due = machine.clock.when(deadline).max(now);
        if unit.armed.is_none_or(|armed| due < armed) {
            let due = due + self.rng.between(LATE.0, LATE.1);
            unit.armed = Some(due);
            let event = Event::Wake {
                machine: index,
                life,
                unit: place,
            };
            self.at(due, event);
        }
    }

    fn carry_out(&mut self, index: u8, vrid: u8, action: Action) {
        match action {
            Action::Advertise(priority) => {
                let machine = self.machine(index);
                let sent = machine.told.0 && machine.source && !machine.sends_fail;
                if sent {
                    self.transmit(index, vrid, priority);
                } else {
                    self.referee.lost(vrid);
                    self.failed.push((vrid, Effect::NotSent));
                }
                self.referee.advertised(self.now, index, vrid, sent);
                if sent && !priority.is_stop() {
                    let now = self.machines[usize::from(index)].now(self.now);
                    self.router(index, vrid).beat = Some(now);
                }
            }
            Action::Hold { id, until } => {
                let epoch = self.epoch;
                let until = until.map_or(Nanos::NEVER, |until| {
                    until.saturating_duration_since(epoch).into()
                });
                let lease = self.lease(index, vrid);
                let now = self.machines[usize::from(index)].now(self.now);
                let too_long = until > now + lease;
                let router = self.router(index, vrid);
                router.holding = true;
                router.release_by = None;
                router.task.hold = Some(Hold { id, until });
                if too_long {
                    self.referee.held_without_right(self.now, index, vrid);
                }
            }
            Action::Release => self.release(index, vrid),
            Action::Announce => self.router(index, vrid).task.announce += 1,
            Action::Transition(transition) => {
                self.takeovers += u64::from(transition.to == State::Master);
                if transition.from == State::Master {
                    let router = self.router(index, vrid);
                    router.beat = None;
                    router.task.hush();
                }
                if transition.reason == Reason::Adopted {
                    self.referee.adopted(self.now, index, vrid);
                    self.router(index, vrid).adopted = true;
                    self.refresh_eligible(index);
                }
                self.referee.state(self.now, index, vrid, transition.to);
            }
        }
    }

    fn release(&mut self, index: u8, vrid: u8) {
        let calm = self.referee.is_quiet();
        let longest = self.longest_call(index, vrid);
        let now = self.now;
        let machine = self.machine(index);
        let now = machine.now(now);
        let router = &mut machine.routers[usize::from(vrid)];
        router.task.hold = None;
        router.task.releases += 1;
        let well = calm && !router.task.waits_to_retry();
        router.release_by = well.then(|| now + longest.times(2) + Nanos::millis(1));
    }

    fn lease(&self, index: u8, vrid: u8) -> Nanos {
        let (unit, member) = self.places[usize::from(vrid)];
        let unit = &self.machines[usize::from(index)].units[usize::from(unit)];
        let lease = unit
            .as_ref()
            .and_then(|unit| unit.subject.election(member).config().lease_duration());
        lease.map_or(Nanos::NEVER, Nanos::from)
    }

    pub(super) fn router(&mut self, index: u8, vrid: u8) -> &mut super::super::machine::Router {
        &mut self.machine(index).routers[usize::from(vrid)]
    }

    fn transmit(&mut self, from: u8, vrid: u8, priority: Priority) {
        if !self.machines[usize::from(from)].link {
            self.referee.lost(vrid);
            return;
        }
        for to in (0..self.scenario.size()).filter(|to| *to != from) {
            let blocked = self.cut[usize::from(from)] & (1 << to) != 0;
            if !self.has_router(to, vrid) {
                continue;
            }
            if blocked {
                self.referee.lost(vrid);
                continue;
            }
            let copies = 1 + u8::from(self.rng.chance(self.duplicates));
            for _ in 0..copies {
                if self.rng.chance(self.loss) {
                    self.referee.lost(vrid);
                    continue;
                }
                let mut takes = self.rng.between(LATENCY.0, LATENCY.1);
                if self.delay > Nanos::ZERO {
                    takes = takes + self.rng.between(Nanos::ZERO, self.delay);
                }
                let event = Event::Packet {
                    to,
                    from,
                    vrid,
                    priority: priority.get(),
                };
                self.after(takes, event);
            }
        }
    }

    /// At the interface.
    pub(super) fn arrive(&mut self, index: u8, event: Event) {
        let Event::Packet { vrid, .. } = event else {
            return;
        };
        let machine = self.machine(index);
        if !machine.powered || machine.process == Process::Down {
            return;
        }
        let off = matches!(
            machine.paused,
            Some(Pause::Machine | Pause::MachineClockRuns)
        );
        if machine.paused.is_none() && machine.link {
            let life = machine.life;
            self.in_process(index, life, event);
        } else if machine.link
            && (machine.card_keeps || !off)
            && machine.inbox.len() < super::super::machine::INBOX
        {
            machine.inbox.push(event);
        } else {
            self.referee.lost(vrid);
        }
    }

    pub(super) fn hear(&mut self, index: u8, from: u8, vrid: u8, priority: u8) {
        let Some(router) = self.parameters(from, vrid) else {
            return;
        };
        let interval = router.interval;
        let advert = Advert {
            source: self.machines[usize::from(from)].address,
            priority: Priority::new(priority),
            interval,
        };
        self.input(index, vrid, Input::Advertisement(advert));
    }

    pub(super) fn holds(&self, index: u8, vrid: u8) -> bool {
        let (unit, member) = self.places[usize::from(vrid)];
        let unit = &self.machines[usize::from(index)].units[usize::from(unit)];
        unit.as_ref()
            .is_some_and(|unit| unit.subject.election(member).holds().is_some())
    }

    /// What must hold after each step.
    pub(super) fn check(&mut self, index: u8, vrid: u8) {
        let machine = &self.machines[usize::from(index)];
        let router = &machine.routers[usize::from(vrid)];
        let now = machine.now(self.now);
        let runs = machine.runs();
        let holds = self.holds(index, vrid);
        let leased = |kernel: InKernel| {
            now <= kernel.gone_by && router.release_by.is_none_or(|by| now <= by)
        };
        let clings = runs && !holds && router.task.hold.is_some();
        if clings || !holds && router.kernel.is_some_and(|kernel| !leased(kernel)) {
            self.referee.held_without_right(self.now, index, vrid);
        }
        if runs {
            self.referee.silent(self.now, index, vrid);
        }
        self.referee.check(self.now, vrid);
    }
}

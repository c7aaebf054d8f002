//! Feeding the elections and carrying out what they want: what `crates/vrrp` does, in the same order.

use std::time::Instant;

use locum_vrrp_election::transcript::EventLine;
use locum_vrrp_election::{Action, Advert, Effect, Input, State};
use locum_vrrp_wire::Priority;

use super::super::machine::{Answer, Call, Hold, InKernel, Process, Report, Request};
use super::super::scenario::{Failure, Pause};
use super::super::{Nanos, bounds};
use super::{Event, Subject, World};

/// How long a packet takes.
const LATENCY: (Nanos, Nanos) = (Nanos::micros(50), Nanos::micros(500));
/// How late a timer of the kernel wakes a process.
const LATE: (Nanos, Nanos) = (Nanos::micros(20), Nanos::micros(150));
/// How long a call of the address driver takes, and how much longer for each address.
const CALL: (Nanos, Nanos) = (Nanos::micros(100), Nanos::micros(400));
const CALL_PER_ADDRESS: (Nanos, Nanos) = (Nanos::micros(5), Nanos::micros(20));

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

    fn serve_due(&mut self, index: u8) {
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
            self.step_task(machine, vrid);
            self.check(machine, vrid);
        }
        self.end_if_stopped(machine);
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
        let plan = &self.scenario.machines[usize::from(from)];
        let Some(Some(router)) = plan.routers.get(usize::from(vrid)) else {
            return;
        };
        let advert = Advert {
            source: self.machines[usize::from(from)].address,
            priority: Priority::new(priority),
            interval: router.interval,
        };
        self.input(index, vrid, Input::Advertisement(advert));
    }

    fn call_time(&mut self, index: u8, vrid: u8) -> Nanos {
        let addresses = self.addresses(index, vrid);
        let base = self.rng.between(CALL.0, CALL.1);
        let each = self.rng.between(CALL_PER_ADDRESS.0, CALL_PER_ADDRESS.1);
        let slow = self.machine(index).slow;
        base + each.times(addresses) + self.rng.between(Nanos::ZERO, slow)
    }

    fn longest_call(&self, index: u8, vrid: u8) -> Nanos {
        CALL.1 + CALL_PER_ADDRESS.1.times(self.addresses(index, vrid))
    }

    fn addresses(&self, index: u8, vrid: u8) -> u64 {
        let plan = &self.scenario.machines[usize::from(index)];
        let router = plan.routers.get(usize::from(vrid)).and_then(Option::as_ref);
        router.map_or(0, |router| u64::from(router.addresses))
    }

    /// The address task looks at what should be true.
    pub(super) fn step_task(&mut self, index: u8, vrid: u8) {
        let now = self.now;
        let machine = self.machine(index);
        if machine.process == Process::Down {
            return;
        }
        let (now, life) = (machine.now(now), machine.life);
        let begun = machine.routers[usize::from(vrid)].task.step(now);
        if let Some(call) = begun.call {
            let takes = self.call_time(index, vrid);
            let event = Event::Effect {
                machine: index,
                vrid,
                life,
                call,
            };
            self.after(takes, event);
        }
        if let Some(call) = begun.announcement {
            self.announce(index, vrid, call);
        }
        if let Some(wake) = begun.wake {
            let machine = &mut self.machines[usize::from(index)];
            let router = &mut machine.routers[usize::from(vrid)];
            let at = machine.clock.when(wake);
            if router.task.arm(at) {
                let event = Event::Task {
                    machine: index,
                    vrid,
                    life,
                };
                self.at(at, event);
            }
        }
    }

    fn announce(&mut self, index: u8, vrid: u8, call: u32) {
        let takes = self.call_time(index, vrid);
        let life = self.machine(index).life;
        let event = Event::Announced {
            machine: index,
            vrid,
            life,
            call,
        };
        self.after(takes, event);
    }

    pub(super) fn announced(&mut self, index: u8, vrid: u8, call: u32) {
        let machine = self.machine(index);
        let works = machine.link && machine.failure != Some(Failure::Refuses);
        let task = &mut machine.routers[usize::from(vrid)].task;
        if task.announcing != Some(call) {
            return;
        }
        task.announcing = None;
        if works {
            self.referee.announced(index, vrid);
            self.note(|| format!("{} announces itself", super::process::name(index, vrid)));
        }
        self.step_task(index, vrid);
        self.check(index, vrid);
    }

    /// The kernel does, or does not, what the driver asks.
    pub(super) fn take_effect(&mut self, index: u8, vrid: u8, number: u32) {
        let now = self.now;
        let machine = self.machine(index);
        let (now, failure, life) = (machine.now(now), machine.failure, machine.life);
        let Some(mut call) = self.router(index, vrid).task.call else {
            return;
        };
        if call.number != number {
            return;
        }
        call.answer = match (call.request, failure) {
            (_, Some(Failure::Refuses)) | (Request::Absent { .. }, Some(Failure::HalfDone)) => {
                Answer::Failed
            }
            (Request::Present { hold, .. }, _) if now >= hold.until => Answer::Expired,
            (request, failure) => {
                let done = match request {
                    Request::Absent { .. } => self.remove(index, vrid),
                    Request::Present { hold, .. } => self.put(index, vrid, now, hold),
                };
                match failure {
                    None => done,
                    Some(Failure::Forgets) => Answer::Unknown,
                    Some(Failure::HalfDone | Failure::Refuses) => Answer::Failed,
                }
            }
        };
        self.router(index, vrid).task.call = Some(call);
        let event = Event::Answer {
            machine: index,
            vrid,
            life,
            call: number,
        };
        let slow = self.machine(index).slow;
        let takes = self.rng.between(Nanos::micros(5), Nanos::micros(50) + slow);
        self.after(takes, event);
        self.check(index, vrid);
    }

    /// Whole seconds, rounded up, and removed up to 1.25 s later.
    fn put(&mut self, index: u8, vrid: u8, now: Nanos, hold: Hold) -> Answer {
        let left = hold.until - now;
        let lifetime = Nanos::secs(left.0.div_ceil(1_000_000_000).min(1 << 32));
        let late = self.rng.between(Nanos::ZERO, bounds::GRANULARITY);
        let expires = now + lifetime + late;
        let kernel = InKernel {
            expires,
            gone_by: now + lifetime + bounds::GRANULARITY,
        };
        let before = self.router(index, vrid).kernel.replace(kernel);
        if before.is_none() {
            self.note(|| format!("{} has its addresses", super::process::name(index, vrid)));
            self.owns(index, vrid);
            self.watch_expiry(index, vrid);
            return Answer::Changed;
        }
        Answer::Unchanged
    }

    pub(super) fn remove(&mut self, index: u8, vrid: u8) -> Answer {
        if self.router(index, vrid).kernel.take().is_none() {
            return Answer::Unchanged;
        }
        self.note(|| format!("{} has no addresses", super::process::name(index, vrid)));
        self.owns(index, vrid);
        Answer::Changed
    }

    pub(super) fn owns(&mut self, index: u8, vrid: u8) {
        let now = self.now;
        let machine = self.machine(index);
        let owns = machine.answers() && machine.routers[usize::from(vrid)].kernel.is_some();
        self.referee.owner(now, index, vrid, owns);
    }

    pub(super) fn watch_expiry(&mut self, index: u8, vrid: u8) {
        let machine = &self.machines[usize::from(index)];
        if let Some(kernel) = machine.routers[usize::from(vrid)].kernel {
            let at = machine.clock.when(kernel.expires).max(self.now);
            let event = Event::Expiry {
                machine: index,
                vrid,
            };
            self.at(at, event);
        }
    }

    /// The kernel's own timer, which was set when the address came.
    pub(super) fn expire(&mut self, index: u8, vrid: u8) {
        let now = self.now;
        let machine = self.machine(index);
        if !machine.powered
            || matches!(
                machine.paused,
                Some(Pause::Machine | Pause::MachineClockRuns)
            )
        {
            return;
        }
        let now = machine.now(now);
        let Some(kernel) = machine.routers[usize::from(vrid)].kernel else {
            return;
        };
        if kernel.expires > now {
            self.watch_expiry(index, vrid);
            return;
        }
        self.check(index, vrid);
        self.remove(index, vrid);
        self.notice_soon(index);
        self.check(index, vrid);
    }

    /// The process watches the interface.
    pub(super) fn notice_soon(&mut self, index: u8) {
        let life = self.machine(index).life;
        let takes = self.rng.between(Nanos::micros(200), Nanos::millis(2));
        self.after(
            takes,
            Event::Told {
                machine: index,
                life,
            },
        );
    }

    pub(super) fn answered(&mut self, index: u8, vrid: u8, number: u32) {
        let Some(mut call) = self.router(index, vrid).task.call else {
            return;
        };
        if call.number != number {
            return;
        }
        let now = self.machines[usize::from(index)].now(self.now);
        self.take_back(index, vrid, now, &mut call);
        let report = self.router(index, vrid).task.answered(now, call);
        self.step_task(index, vrid);
        match report {
            Report::Again => {}
            Report::Absent { failed } => {
                if !failed {
                    let holds = self.holds(index, vrid);
                    let router = self.router(index, vrid);
                    router.holding = holds;
                    router.seen_held = false;
                }
                self.serve_due(index);
                self.end_if_stopped(index);
            }
            Report::Present {
                id,
                answer,
                restored,
            } => {
                if restored {
                    let call = self.router(index, vrid).task.announce_now();
                    self.announce(index, vrid, call);
                }
                let well = matches!(answer, Answer::Changed | Answer::Unchanged);
                self.router(index, vrid).seen_held = well;
                let effect = match answer {
                    Answer::Changed | Answer::Unchanged => Effect::Held(id),
                    Answer::Expired => Effect::HoldLapsed(id),
                    Answer::Failed | Answer::Unknown => Effect::HoldFailed(id),
                };
                self.input(index, vrid, Input::Effect(effect));
            }
        }
        self.check(index, vrid);
    }

    /// The driver does not leave behind what came after its lease.
    fn take_back(&mut self, index: u8, vrid: u8, now: Nanos, call: &mut Call) {
        if let Request::Present { hold, .. } = call.request
            && now >= hold.until
            && !matches!(call.answer, Answer::Failed | Answer::Expired)
        {
            self.remove(index, vrid);
            call.answer = Answer::Expired;
        }
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

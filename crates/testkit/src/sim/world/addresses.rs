//! The calls of the address driver, and what the kernel makes of them.

use locum_vrrp_election::{Effect, Input};

use super::super::machine::{Answer, Call, Hold, InKernel, Process, Report, Request};
use super::super::scenario::{Failure, Pause};
use super::super::{Nanos, bounds};
use super::{Event, Subject, World};

/// How long a call of the address driver takes, and how much longer for each address.
const CALL: (Nanos, Nanos) = (Nanos::micros(100), Nanos::micros(400));
const CALL_PER_ADDRESS: (Nanos, Nanos) = (Nanos::micros(5), Nanos::micros(20));

impl<S: Subject> World<'_, S> {
    fn call_time(&mut self, index: u8, vrid: u8) -> Nanos {
        let addresses = self.addresses(index, vrid);
        let base = self.rng.between(CALL.0, CALL.1);
        let each = self.rng.between(CALL_PER_ADDRESS.0, CALL_PER_ADDRESS.1);
        let slow = self.machine(index).slow;
        base + each.times(addresses) + self.rng.between(Nanos::ZERO, slow)
    }

    pub(super) fn longest_call(&self, index: u8, vrid: u8) -> Nanos {
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
        if before.is_some_and(|before| expires < before.expires) {
            self.watch_expiry(index, vrid);
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

    /// The kernel's own timer, which was set when the address came, or got a shorter lease.
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
}

//! Processes start, stop, pause and are told things.

use locum_vrrp_election::transcript::{Parameters, RouterLine};
use locum_vrrp_election::{Config, Input, Link, State, Tracking};
use locum_vrrp_wire::Priority;

use super::super::Nanos;
use super::super::machine::{Process, Unit};
use super::super::scenario::{Change, Kind};
use super::{Event, Subject, World};

/// How long a router may take to stop.
const STOP_BOUND: Nanos = Nanos::secs(6);

/// What a router is called in a transcript.
pub(super) fn name(machine: u8, vrid: u8) -> String {
    format!("m{}.v{}", machine + 1, vrid + 1)
}

impl<S: Subject> World<'_, S> {
    /// What the process starts with.
    fn plan(&self, machine: u8, vrid: u8) -> Option<&Parameters> {
        let plan = &self.scenario.machines[usize::from(machine)];
        plan.routers.get(usize::from(vrid)).and_then(Option::as_ref)
    }

    /// What it has now.
    pub(super) fn parameters(&self, machine: u8, vrid: u8) -> Option<&Parameters> {
        let router = &self.machines[usize::from(machine)].routers[usize::from(vrid)];
        let given = router.reconfigured.as_ref();
        given.or_else(|| self.plan(machine, vrid))
    }

    /// Starts the process unless something keeps it down.
    pub(super) fn try_start(&mut self, index: u8) {
        let kept_down = self.is_active(|kind| {
            matches!(kind, Kind::Crash { machine } | Kind::PowerOff { machine } | Kind::Stop { machine } if machine == index)
        });
        let starts = self.scenario.machines[usize::from(index)].start;
        let machine = self.machine(index);
        if machine.process != Process::Down || machine.paused.is_some() {
            return;
        }
        if kept_down || self.now < starts {
            return;
        }
        let now = self.now;
        let machine = self.machine(index);
        machine.powered = true;
        machine.process = Process::Running;
        machine.started = machine.now(now);
        for unit in 0..self.units.len() {
            self.make_unit(index, unit);
        }
        self.note(|| format!("m{} starts", index + 1));
        for vrid in 0..self.vrids() {
            let Some(plan) = self.plan(index, vrid).cloned() else {
                continue;
            };
            self.referee.state(now, index, vrid, State::Initialize);
            self.referee.stands_by(now, index, vrid, false);
            self.referee
                .configured(now, index, vrid, &plan, plan.priority);
            let router = self.router(index, vrid);
            router.reconfigured = None;
            router.task.keeps_leftovers = router.beat.is_some();
            self.owns(index, vrid);
            let fails = self.tracking_fails(index, vrid);
            self.router(index, vrid).tracking_fails = fails;
        }
        self.tell(index);
        for vrid in 0..self.vrids() {
            if !self.has_router(index, vrid) {
                continue;
            }
            if self.router(index, vrid).tracking_fails {
                self.input(index, vrid, Input::Tracking(Tracking::Failed));
            }
            let machine = self.machine(index);
            let clock = machine.now(now);
            let input = match machine.routers[usize::from(vrid)].beat {
                Some(beat) => Input::Adopt {
                    age: (clock - beat).duration(),
                },
                None => Input::Startup,
            };
            self.input(index, vrid, input);
        }
        self.refresh_eligible(index);
        self.watch_delays(index);
    }

    /// Startup delays end, on the machine's clock.
    pub(super) fn watch_delays(&mut self, index: u8) {
        for vrid in 0..self.vrids() {
            let machine = &self.machines[usize::from(index)];
            if let Some(end) = machine.routers[usize::from(vrid)].stands_by_until {
                let event = Event::Eligible {
                    machine: index,
                    life: machine.life,
                };
                self.at(machine.clock.when(end).max(self.now), event);
            }
            let Some(plan) = self.plan(index, vrid) else {
                continue;
            };
            let machine = &self.machines[usize::from(index)];
            let end = machine.started + Nanos::from(plan.startup_delay);
            if machine.process == Process::Running && end > machine.now(self.now) {
                let event = Event::Eligible {
                    machine: index,
                    life: machine.life,
                };
                self.at(machine.clock.when(end), event);
            }
        }
    }

    fn make_unit(&mut self, index: u8, unit: usize) {
        let members = self.units[unit].clone();
        let plans: Vec<Parameters> = members
            .iter()
            .filter_map(|vrid| self.plan(index, *vrid).cloned())
            .collect();
        // A machine has all members or none.
        if plans.len() < members.len() {
            return;
        }
        if let Some(transcript) = &mut self.transcript {
            for (vrid, parameters) in members.iter().zip(&plans) {
                let line = RouterLine {
                    name: &name(index, *vrid),
                    parameters: parameters.clone(),
                };
                transcript.push(line.to_string());
            }
        }
        let configs: Vec<Config> = plans
            .iter()
            .map(|plan| {
                Config::try_from(plan).expect("a scenario has configurations that are valid")
            })
            .collect();
        self.machine(index).units[unit] = Some(Unit {
            subject: S::new(&configs),
            deadline: None,
            armed: None,
        });
    }

    fn tracking_fails(&self, index: u8, of: u8) -> bool {
        self.is_active(|kind| {
            matches!(kind, Kind::TrackingFails { machine, vrid } if machine == index && vrid == of)
        })
    }

    /// The process learns what its interface is like.
    pub(super) fn tell(&mut self, index: u8) {
        let machine = self.machine(index);
        let truth = (machine.source, machine.link);
        let told = std::mem::replace(&mut machine.told, truth);
        let source = machine.source.then_some(machine.address);
        for vrid in 0..self.vrids() {
            if !self.has_router(index, vrid) {
                continue;
            }
            if truth.0 != told.0 {
                self.input(index, vrid, Input::Source(source));
            }
            if truth.1 != told.1 {
                let link = if truth.1 { Link::Up } else { Link::Down };
                self.input(index, vrid, Input::Link(link));
            }
            let router = self.router(index, vrid);
            if router.seen_held && router.kernel.is_none() {
                router.task.recheck += 1;
                self.step_task(index, vrid);
            }
        }
    }

    /// An operator, or what tracks, says something to the process.
    pub(super) fn command(&mut self, index: u8, fault: u16, begins: bool) {
        match self.fault(fault) {
            Kind::Priority { vrid, to, .. } => {
                let Some(plan) = self.plan(index, vrid) else {
                    return;
                };
                if plan.priority.is_owner() {
                    return;
                }
                let priority = if begins {
                    Priority::new(to)
                } else {
                    plan.priority
                };
                self.referee.priority(self.now, index, vrid, priority);
                self.input(index, vrid, Input::SetPriority(priority));
            }
            Kind::TrackingFails { vrid, .. } => {
                let fails = self.tracking_fails(index, vrid);
                if !self.has_router(index, vrid)
                    || std::mem::replace(&mut self.router(index, vrid).tracking_fails, fails)
                        == fails
                {
                    return;
                }
                self.referee.planned(self.now, index, vrid);
                self.refresh_eligible(index);
                let tracking = if fails {
                    Tracking::Failed
                } else {
                    Tracking::Recovered
                };
                self.input(index, vrid, Input::Tracking(tracking));
            }
            Kind::Reconfigure { vrid, change, .. } => self.reconfigure(index, vrid, change, begins),
            Kind::StandBy { vrid, .. } => {
                let time = self.scenario.faults[usize::from(fault)].lasts;
                self.stand_by(index, vrid, time);
            }
            Kind::Stop { .. } => {
                if begins {
                    self.stop(index);
                }
            }
            Kind::AddressRemoved { .. }
            | Kind::ClockJump { .. }
            | Kind::Crash { .. }
            | Kind::Cut { .. }
            | Kind::Delay { .. }
            | Kind::DriverFails { .. }
            | Kind::DriverSlow { .. }
            | Kind::Duplicates { .. }
            | Kind::LinkDown { .. }
            | Kind::Loss { .. }
            | Kind::Pause { .. }
            | Kind::PowerOff { .. }
            | Kind::SendFails { .. }
            | Kind::SourceLost { .. } => {}
        }
    }

    fn reconfigure(&mut self, index: u8, vrid: u8, change: Change, begins: bool) {
        let (Some(plan), Some(before)) = (self.plan(index, vrid), self.parameters(index, vrid))
        else {
            return;
        };
        let (before, Some(changed)) = (before.priority, change.of(plan)) else {
            return;
        };
        let after = if begins { changed } else { plan.clone() };
        let config = Config::try_from(&after).expect("valid, as was looked at");
        // One that was set stays.
        let current = self.referee.priority_of(index, vrid);
        let priority = if current == before {
            after.priority
        } else {
            current
        };
        self.referee
            .configured(self.now, index, vrid, &after, priority);
        self.router(index, vrid).reconfigured = Some(after);
        self.input(index, vrid, Input::Reconfigure(config));
    }

    fn stand_by(&mut self, index: u8, vrid: u8, time: Nanos) {
        let now = self.now;
        let machine = self.machine(index);
        if machine.process != Process::Running || !self.has_router(index, vrid) {
            return;
        }
        let machine = self.machine(index);
        let until = machine.now(now) + time;
        machine.routers[usize::from(vrid)].stands_by_until = Some(until);
        self.referee.stands_by(now, index, vrid, true);
        self.watch_delays(index);
        let time = Some(time.duration());
        self.input(index, vrid, Input::StandBy { time });
    }

    /// On the machine's clock.
    pub(super) fn end_stand_bys(&mut self, index: u8) {
        for vrid in 0..self.vrids() {
            let machine = &mut self.machines[usize::from(index)];
            let now = machine.now(self.now);
            let until = &mut machine.routers[usize::from(vrid)].stands_by_until;
            if until.is_some_and(|until| until <= now) {
                *until = None;
                self.referee.stands_by(self.now, index, vrid, false);
            }
        }
    }

    fn stop(&mut self, index: u8) {
        let machine = self.machine(index);
        if machine.process != Process::Running {
            return;
        }
        machine.process = Process::Stopping;
        let life = machine.life;
        let event = Event::StopBound {
            machine: index,
            life,
        };
        self.after(STOP_BOUND, event);
        self.refresh_eligible(index);
        for vrid in (0..self.vrids())
            .filter(|vrid| self.has_router(index, *vrid))
            .collect::<Vec<_>>()
        {
            self.referee.planned(self.now, index, vrid);
            self.input(index, vrid, Input::Shutdown);
        }
        self.end_if_stopped(index);
    }

    pub(super) fn end_if_stopped(&mut self, index: u8) {
        if self.machines[usize::from(index)].process != Process::Stopping {
            return;
        }
        let busy = (0..self.vrids()).any(|vrid| {
            let (unit, member) = self.places[usize::from(vrid)];
            let machine = &self.machines[usize::from(index)];
            let unit = &machine.units[usize::from(unit)];
            let state = unit
                .as_ref()
                .map(|unit| unit.subject.election(member).state());
            machine.routers[usize::from(vrid)].holding
                || state.is_some_and(|state| state != State::Initialize)
        });
        if !busy {
            self.end_process(index);
            self.try_start(index);
        }
    }

    /// The time to stop is up: the addresses go if the driver lets them.
    pub(super) fn stop_now(&mut self, index: u8) {
        if self.machine(index).process != Process::Stopping {
            return;
        }
        for vrid in 0..self.vrids() {
            if !self.has_router(index, vrid) {
                continue;
            }
            self.input(index, vrid, Input::Shutdown);
            if self.machine(index).failure.is_none() {
                self.remove(index, vrid);
            }
        }
        if self.machine(index).process == Process::Stopping {
            self.end_process(index);
            self.try_start(index);
        }
    }

    /// However it ended.
    pub(super) fn end_process(&mut self, index: u8) {
        self.machine(index).end_process();
        self.note(|| format!("m{} is down", index + 1));
        for vrid in 0..self.vrids() {
            self.referee.state(self.now, index, vrid, State::Initialize);
        }
        self.refresh_eligible(index);
    }

    /// Everything runs again: timers first, then what was received and reported meanwhile, by turns.
    pub(super) fn resume(&mut self, index: u8) {
        let now = self.now;
        let machine = self.machine(index);
        machine.paused = None;
        machine.clock.go_on(now);
        machine.kernel_catches_up(now);
        let deferred = std::mem::take(&mut machine.deferred);
        let inbox = std::mem::take(&mut machine.inbox);
        for unit in machine.units.iter_mut().flatten() {
            unit.armed = None;
        }
        for router in &mut machine.routers {
            router.task.disarm();
        }
        self.referee.woke(now, index);
        for unit in 0..self
            .vrids()
            .min(u8::try_from(self.units.len()).unwrap_or(u8::MAX))
        {
            self.rearm(index, unit);
        }
        for vrid in 0..self.vrids() {
            self.owns(index, vrid);
            self.watch_expiry(index, vrid);
        }
        let step = Nanos::micros(10);
        let start = self.rng.between(Nanos::micros(300), Nanos::micros(400));
        for (number, event) in (0..).zip(inbox) {
            self.after(start + step.times(number), event);
        }
        let start = self.rng.between(Nanos::micros(300), Nanos::micros(600));
        for (number, event) in (0..).zip(deferred) {
            self.after(start + step.times(number), event);
        }
        for vrid in 0..self.vrids() {
            self.step_task(index, vrid);
        }
        self.notice_soon(index);
        self.watch_delays(index);
        self.try_start(index);
    }

    /// The clock, or time itself, has moved on.
    pub(super) fn rearm(&mut self, index: u8, unit: u8) {
        if let Some(unit) = &mut self.machine(index).units[usize::from(unit)] {
            unit.armed = None;
        }
        self.arm(index, unit);
    }

    /// Who could be Master, in truth.
    pub(super) fn refresh_eligible(&mut self, index: u8) {
        for vrid in 0..self.vrids() {
            let Some(plan) = self.plan(index, vrid) else {
                continue;
            };
            let delay = Nanos::from(plan.startup_delay);
            let machine = &self.machines[usize::from(index)];
            let eligible = machine.process == Process::Running
                && machine.link
                && machine.source
                && !machine.sends_fail
                && machine.failure.is_none()
                && !machine.routers[usize::from(vrid)].tracking_fails
                && (machine.routers[usize::from(vrid)].adopted
                    || machine.now(self.now) >= machine.started + delay);
            self.referee.eligible(self.now, index, vrid, eligible);
        }
    }
}

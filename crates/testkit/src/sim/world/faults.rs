//! Faults begin and end.

use super::super::Nanos;
use super::super::machine::Process;
use super::super::scenario::{Kind, Pause};
use super::{Event, Subject, World};

impl<S: Subject> World<'_, S> {
    pub(super) fn is_active(&self, which: impl Fn(Kind) -> bool) -> bool {
        let faults = self.scenario.faults.iter().zip(&self.active);
        faults
            .into_iter()
            .any(|(fault, active)| *active && which(fault.kind))
    }

    pub(super) fn begin(&mut self, index: u16) {
        let fault = self.scenario.faults[usize::from(index)];
        let kind = fault.kind;
        self.note(|| format!("begins: {kind}"));
        if !kind.is_planned() {
            self.referee.trouble();
        }
        self.active[usize::from(index)] = true;
        self.at(fault.at + fault.lasts, Event::End(index));
        match kind {
            Kind::Crash { machine } => {
                if self.machine(machine).process != Process::Down {
                    self.end_process(machine);
                }
                self.trouble_over(false);
            }
            Kind::PowerOff { machine } => {
                self.power_off(machine);
                self.trouble_over(false);
            }
            Kind::AddressRemoved { machine, vrid } => {
                self.remove(machine, vrid);
                self.notice_soon(machine);
                self.trouble_over(false);
            }
            Kind::ClockJump { machine, by } => {
                let now = self.now;
                self.machine(machine).clock.jump(by);
                self.machine(machine).kernel_catches_up(now);
                self.moved_on(machine);
                self.trouble_over(false);
            }
            Kind::Pause { machine, how } => self.pause(machine, how),
            Kind::Priority { .. }
            | Kind::Reconfigure { .. }
            | Kind::StandBy { .. }
            | Kind::Stop { .. }
            | Kind::TrackingFails { .. } => {
                self.pass_on(index, true);
            }
            Kind::Cut { .. }
            | Kind::Delay { .. }
            | Kind::DriverFails { .. }
            | Kind::DriverSlow { .. }
            | Kind::Duplicates { .. }
            | Kind::LinkDown { .. }
            | Kind::Loss { .. }
            | Kind::SendFails { .. }
            | Kind::SourceLost { .. } => self.refresh(kind),
        }
    }

    pub(super) fn end(&mut self, index: u16) {
        self.active[usize::from(index)] = false;
        let kind = self.fault(index);
        match kind {
            Kind::AddressRemoved { .. } | Kind::ClockJump { .. } | Kind::StandBy { .. } => return,
            Kind::Crash { machine } | Kind::PowerOff { machine } | Kind::Stop { machine } => {
                self.note(|| format!("over: {kind}"));
                self.try_start(machine);
                return;
            }
            Kind::Priority { .. } | Kind::Reconfigure { .. } | Kind::TrackingFails { .. } => {
                self.note(|| format!("over: {kind}"));
                self.pass_on(index, false);
                return;
            }
            Kind::Pause { machine, .. } => {
                let still = self.is_active(
                    |kind| matches!(kind, Kind::Pause { machine: other, .. } if other == machine),
                );
                if !still {
                    self.resume(machine);
                }
            }
            Kind::Cut { .. }
            | Kind::Delay { .. }
            | Kind::DriverFails { .. }
            | Kind::DriverSlow { .. }
            | Kind::Duplicates { .. }
            | Kind::LinkDown { .. }
            | Kind::Loss { .. }
            | Kind::SendFails { .. }
            | Kind::SourceLost { .. } => self.refresh(kind),
        }
        self.note(|| format!("over: {kind}"));
        if kind.is_planned() {
            return;
        }
        let failed = matches!(
            kind,
            Kind::DriverFails { .. }
                | Kind::DriverSlow { .. }
                | Kind::SendFails { .. }
                | Kind::SourceLost { .. }
        );
        // Packets are still under way, and so are calls.
        let lingers = if let Kind::Delay { up_to } = kind {
            up_to
        } else if let Kind::DriverSlow { up_to, .. } = kind {
            up_to.times(2)
        } else {
            Nanos::millis(3)
        };
        self.after(lingers, Event::Over { failed });
    }

    pub(super) fn trouble_over(&mut self, failed: bool) {
        let faulty = || {
            let units = self.machines.iter().flat_map(|machine| &machine.units);
            units.flatten().any(|unit| {
                let faults = unit.subject.election(0).faults();
                faults.addresses || faults.sending
            })
        };
        let failed = failed || faulty();
        self.referee.trouble_over(self.now, failed);
    }

    /// A command to a process, which may be asleep.
    fn pass_on(&mut self, fault: u16, begins: bool) {
        let index = self.fault(fault).machine().unwrap_or_default();
        let life = self.machine(index).life;
        let event = Event::Command {
            life,
            fault,
            begins,
        };
        self.after(Nanos::ZERO, event);
    }

    fn power_off(&mut self, index: u8) {
        if self.machine(index).process != Process::Down {
            self.end_process(index);
        }
        self.machine(index).powered = false;
        for router in &mut self.machine(index).routers {
            router.beat = None;
        }
        for vrid in 0..self.vrids() {
            self.remove(index, vrid);
        }
    }

    fn pause(&mut self, index: u8, how: Pause) {
        let now = self.now;
        let keeps = self.rng.chance(500);
        let machine = self.machine(index);
        if machine.paused.is_some() {
            return;
        }
        machine.paused = Some(how);
        machine.card_keeps = keeps;
        if how == Pause::Machine {
            machine.clock.stand_still(now);
        }
        self.unwell(index);
        for vrid in 0..self.vrids() {
            self.owns(index, vrid);
        }
    }

    /// Nothing is in time any more.
    fn unwell(&mut self, index: u8) {
        for router in &mut self.machine(index).routers {
            router.release_by = None;
        }
    }

    /// The clock has jumped.
    fn moved_on(&mut self, index: u8) {
        for unit in 0..u8::try_from(self.units.len()).unwrap_or(u8::MAX) {
            self.rearm(index, unit);
        }
        self.unwell(index);
        self.refresh_eligible(index);
        self.watch_delays(index);
        for vrid in 0..self.vrids() {
            self.router(index, vrid).task.disarm();
            self.step_task(index, vrid);
            self.watch_expiry(index, vrid);
        }
    }

    /// Puts into force what is active of this kind.
    fn refresh(&mut self, kind: Kind) {
        let (mut loss, mut duplicates, mut delay) = (0, 0, Nanos::ZERO);
        self.cut.fill(0);
        let about = kind.machine();
        let (mut link, mut source, mut sends_fail) = (true, true, false);
        let (mut failure, mut slow) = (None, Nanos::ZERO);
        let faults = self.scenario.faults.iter().zip(&self.active);
        for (fault, _) in faults.filter(|(_, active)| **active) {
            let ours = fault.kind.machine() == about;
            match fault.kind {
                Kind::Cut { from, to } => self.cut[usize::from(from)] |= to,
                Kind::Delay { up_to } => delay = delay.max(up_to),
                Kind::Duplicates { permille } => duplicates = duplicates.max(permille),
                Kind::Loss { permille } => loss = loss.max(permille),
                Kind::DriverFails { how, .. } if ours => failure = Some(how),
                Kind::DriverSlow { up_to, .. } if ours => slow = slow.max(up_to),
                Kind::LinkDown { .. } if ours => link = false,
                Kind::SendFails { .. } if ours => sends_fail = true,
                Kind::SourceLost { .. } if ours => source = false,
                Kind::AddressRemoved { .. }
                | Kind::ClockJump { .. }
                | Kind::Crash { .. }
                | Kind::DriverFails { .. }
                | Kind::DriverSlow { .. }
                | Kind::LinkDown { .. }
                | Kind::Pause { .. }
                | Kind::PowerOff { .. }
                | Kind::Priority { .. }
                | Kind::Reconfigure { .. }
                | Kind::SendFails { .. }
                | Kind::SourceLost { .. }
                | Kind::StandBy { .. }
                | Kind::Stop { .. }
                | Kind::TrackingFails { .. } => {}
            }
        }
        (self.loss, self.duplicates, self.delay) = (loss, duplicates, delay);
        let Some(index) = about else { return };
        let machine = self.machine(index);
        let changed = (machine.link, machine.source) != (link, source);
        machine.link = link;
        machine.source = source;
        machine.sends_fail = sends_fail;
        machine.failure = failure;
        machine.slow = slow;
        self.unwell(index);
        for vrid in 0..self.vrids() {
            self.owns(index, vrid);
        }
        if changed {
            self.notice_soon(index);
        }
        self.refresh_eligible(index);
    }
}

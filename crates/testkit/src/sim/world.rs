//! The LAN on virtual time: one heap of events, and what each of them does.

mod addresses;
mod driver;
mod faults;
mod process;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use locum_vrrp_election::Effect;
use locum_vrrp_election::transcript::HEADER;

use super::Nanos;
use super::invariant::{Checks, Violation};
use super::machine::{Machine, Process};
use super::referee::Referee;
use super::rng::Rng;
use super::scenario::{Kind, Scenario};
use super::subject::Subject;
use crate::epoch;

/// Something that will happen. What is meant for a process bears its `life`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Announced {
        machine: u8,
        vrid: u8,
        life: u16,
        call: u32,
    },
    Answer {
        machine: u8,
        vrid: u8,
        life: u16,
        call: u32,
    },
    Begin(u16),
    Command {
        life: u16,
        fault: u16,
        begins: bool,
    },
    Effect {
        machine: u8,
        vrid: u8,
        life: u16,
        call: u32,
    },
    Eligible {
        machine: u8,
        life: u16,
    },
    End(u16),
    Expiry {
        machine: u8,
        vrid: u8,
    },
    Over {
        failed: bool,
    },
    Packet {
        to: u8,
        from: u8,
        vrid: u8,
        priority: u8,
    },
    Start {
        machine: u8,
    },
    StopBound {
        machine: u8,
        life: u16,
    },
    Task {
        machine: u8,
        vrid: u8,
        life: u16,
    },
    Told {
        machine: u8,
        life: u16,
    },
    Wake {
        machine: u8,
        life: u16,
        unit: u8,
    },
}

#[derive(Debug)]
struct Entry {
    at: Nanos,
    number: u64,
    event: Event,
}

impl Ord for Entry {
    /// The earliest is the greatest, since that is what a heap gives first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// Is what happens written down?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Record {
    /// No, which is faster.
    Nothing,
    /// Yes, as a transcript.
    Transcript,
}

/// What came of a simulation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The first invariant that broke, which ended it.
    pub violation: Option<Violation>,
    /// How much happened.
    pub events: u64,
    /// How often a router became Master.
    pub takeovers: u64,
    /// How often a VRID was found in order after something had changed.
    pub settled: u64,
    /// How often it had a planned change while it was in order.
    pub planned: u64,
    /// How long all virtual routers ran together, in seconds of virtual time.
    pub router_seconds: u64,
    /// Line by line; empty if nothing was written down.
    pub transcript: Vec<String>,
}

/// Runs `scenario` with elections of the kind `S` to its end or to the first invariant that breaks.
#[must_use]
pub fn run<S: Subject>(scenario: &Scenario, checks: Checks, record: Record) -> Outcome {
    World::<S>::new(scenario, checks, record).run()
}

pub(crate) struct World<'a, S> {
    scenario: &'a Scenario,
    epoch: Instant,
    now: Nanos,
    heap: BinaryHeap<Entry>,
    /// How many events there were, and how many are or will be.
    events: u64,
    pushed: u64,
    takeovers: u64,
    rng: Rng,
    machines: Vec<Machine<S>>,
    /// Which VRIDs are elected together, and of each VRID which unit and which of its members.
    units: Vec<Vec<u8>>,
    places: Vec<(u8, usize)>,
    /// Which faults last now.
    active: Vec<bool>,
    loss: u16,
    duplicates: u16,
    delay: Nanos,
    /// Of each machine, whom nothing gets to from it.
    cut: Vec<u8>,
    referee: Referee,
    /// What failed while actions were carried out, on its way back into the election.
    failed: Vec<(u8, Effect)>,
    transcript: Option<Vec<String>>,
}

impl<'a, S: Subject> World<'a, S> {
    fn new(scenario: &'a Scenario, checks: Checks, record: Record) -> Self {
        let vrids = scenario.vrids();
        let units: Vec<Vec<u8>> = (0..vrids).map(|vrid| vec![vrid]).collect();
        let machines = (0..scenario.size()).map(|index| Machine::new(index, vrids, units.len()));
        let mut world = Self {
            epoch: epoch(),
            now: Nanos::ZERO,
            heap: BinaryHeap::with_capacity(256),
            events: 0,
            pushed: 0,
            takeovers: 0,
            rng: Rng::new(!scenario.seed),
            machines: machines.collect(),
            places: (0..vrids).map(|vrid| (vrid, 0)).collect(),
            units,
            active: vec![false; scenario.faults.len()],
            loss: 0,
            duplicates: 0,
            delay: Nanos::ZERO,
            cut: vec![0; scenario.machines.len()],
            referee: Referee::new(scenario, checks),
            failed: Vec::new(),
            transcript: (record == Record::Transcript).then(|| vec![HEADER.to_owned()]),
            scenario,
        };
        for (machine, plan) in (0..).zip(&scenario.machines) {
            world.at(plan.start, Event::Start { machine });
        }
        for (index, fault) in (0..).zip(&scenario.faults) {
            world.at(fault.at, Event::Begin(index));
        }
        world
    }

    fn run(mut self) -> Outcome {
        while let Some(next) = self.heap.pop() {
            if next.at > self.scenario.end || self.referee.violation.is_some() {
                break;
            }
            self.now = next.at;
            self.events += 1;
            self.happen(next.event);
        }
        if let Some(violation) = self.referee.violation {
            self.note(|| format!("{violation}"));
        }
        let ran = self.now.min(self.scenario.end).whole_secs();
        Outcome {
            violation: self.referee.violation,
            events: self.events,
            takeovers: self.takeovers,
            settled: self.referee.times_settled,
            planned: self.referee.times_planned,
            router_seconds: self.scenario.routers() * ran,
            transcript: self.transcript.unwrap_or_default(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(fault) => self.begin(fault),
            Event::End(fault) => self.end(fault),
            Event::Over { failed } => self.trouble_over(failed),
            Event::Start { machine } => self.try_start(machine),
            Event::Expiry { machine, vrid } => self.expire(machine, vrid),
            Event::Packet { to, .. } => self.arrive(to, event),
            Event::Command { life, fault, .. } => {
                let machine = self.fault(fault).machine().unwrap_or_default();
                self.in_process(machine, life, event);
            }
            Event::Announced { machine, life, .. }
            | Event::Answer { machine, life, .. }
            | Event::Effect { machine, life, .. }
            | Event::Eligible { machine, life }
            | Event::StopBound { machine, life }
            | Event::Task { machine, life, .. }
            | Event::Told { machine, life }
            | Event::Wake { machine, life, .. } => self.in_process(machine, life, event),
        }
    }

    /// What happens within a process, if that runs.
    fn in_process(&mut self, index: u8, life: u16, event: Event) {
        let machine = self.machine(index);
        if machine.life != life || machine.process == Process::Down {
            return;
        }
        if machine.paused.is_some() {
            if !matches!(event, Event::Wake { .. }) {
                machine.deferred.push(event);
            }
            return;
        }
        match event {
            Event::Announced { vrid, call, .. } => self.announced(index, vrid, call),
            Event::Answer { vrid, call, .. } => self.answered(index, vrid, call),
            Event::Command { fault, begins, .. } => self.command(index, fault, begins),
            Event::Effect { vrid, call, .. } => self.take_effect(index, vrid, call),
            Event::Eligible { .. } => {
                self.end_stand_bys(index);
                self.refresh_eligible(index);
            }
            Event::StopBound { .. } => self.stop_now(index),
            Event::Task { vrid, .. } => {
                self.router(index, vrid).task.disarm();
                self.step_task(index, vrid);
                self.check(index, vrid);
            }
            Event::Told { .. } => self.tell(index),
            Event::Wake { unit, .. } => self.wake(index, unit),
            Event::Packet {
                from,
                vrid,
                priority,
                ..
            } => self.hear(index, from, vrid, priority),
            Event::Begin(_)
            | Event::End(_)
            | Event::Expiry { .. }
            | Event::Over { .. }
            | Event::Start { .. } => {}
        }
    }

    fn at(&mut self, at: Nanos, event: Event) {
        self.pushed += 1;
        self.heap.push(Entry {
            at,
            number: self.pushed,
            event,
        });
    }

    fn after(&mut self, time: Nanos, event: Event) {
        self.at(self.now + time, event);
    }

    fn machine(&mut self, index: u8) -> &mut Machine<S> {
        &mut self.machines[usize::from(index)]
    }

    fn fault(&self, index: u16) -> Kind {
        self.scenario.faults[usize::from(index)].kind
    }

    fn vrids(&self) -> u8 {
        self.scenario.vrids()
    }

    fn has_router(&self, machine: u8, vrid: u8) -> bool {
        let plan = &self.scenario.machines[usize::from(machine)];
        plan.routers
            .get(usize::from(vrid))
            .is_some_and(Option::is_some)
    }

    /// For the transcript, which bears it as a note.
    fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(transcript) = &mut self.transcript {
            let at = locum_vrrp_election::transcript::Seconds(self.now.duration());
            transcript.push(format!("# {at} {}", text()));
        }
    }
}

//! From a scenario in which an invariant breaks to a small one in which it does.

use std::num::NonZeroU8;

use locum_vrrp_election::transcript::Parameters;
use locum_vrrp_election::{AnnounceSchedule, LeasePolicy};

use super::Nanos;
use super::invariant::{Checks, Invariant};
use super::scenario::{Fault, Kind, Scenario};
use super::subject::Subject;
use super::world::{Record, run};

/// How many simulations it may take.
const RUNS: u32 = 3000;
/// With whatever is left out chance takes another course: so many of them are tried.
const COURSES: u64 = 4;

/// The smallest scenario that was found in which `invariant` breaks as it does in `scenario`.
#[must_use]
pub fn shrink<S: Subject>(scenario: &Scenario, checks: Checks, invariant: Invariant) -> Scenario {
    let mut shrinker = Shrinker {
        best: scenario.clone(),
        left: RUNS,
        fails: |scenario: &Scenario| {
            let broken = run::<S>(scenario, checks, Record::Nothing).violation?;
            (broken.invariant == invariant).then_some(broken.at)
        },
    };
    while shrinker.round() && shrinker.left > 0 {}
    shrinker.best
}

struct Shrinker<F> {
    best: Scenario,
    left: u32,
    fails: F,
}

impl<F: Fn(&Scenario) -> Option<Nanos>> Shrinker<F> {
    /// Takes `smaller` if it still fails.
    fn accept(&mut self, mut smaller: Scenario) -> bool {
        for _ in 0..COURSES {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            if let Some(at) = (self.fails)(&smaller) {
                smaller.end = smaller.end.min(at + Nanos::millis(1));
                smaller.faults.retain(|fault| fault.at <= at);
                self.best = smaller;
                return true;
            }
            smaller.seed = smaller.seed.wrapping_add(1);
        }
        false
    }

    fn round(&mut self) -> bool {
        let mut better = self.fewer_faults();
        better |= self.fewer_machines();
        better |= self.fewer_vrids();
        better |= self.plainer_routers();
        better |= self.shorter();
        better
    }

    /// Halves, quarters and so on are left out.
    fn fewer_faults(&mut self) -> bool {
        let mut better = false;
        let mut size = self.best.faults.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.faults.len() {
                let mut smaller = self.best.clone();
                let to = (from + size).min(smaller.faults.len());
                smaller.faults.drain(from..to);
                if self.accept(smaller) {
                    better = true;
                } else {
                    from += size;
                }
            }
            size /= 2;
        }
        better
    }

    fn fewer_machines(&mut self) -> bool {
        let mut better = false;
        for machine in (0..self.best.size()).rev() {
            if self.best.size() > 1 {
                let smaller = without_machine(&self.best, machine);
                better |= self.accept(smaller);
            }
        }
        better
    }

    fn fewer_vrids(&mut self) -> bool {
        let mut better = false;
        for vrid in (0..self.best.vrids()).rev() {
            if self.best.vrids() > 1 {
                let smaller = without_vrid(&self.best, vrid);
                better |= self.accept(smaller);
            }
        }
        better
    }

    fn plainer_routers(&mut self) -> bool {
        let plainer: [fn(&mut Parameters); 5] = [
            |one| one.addresses = 1,
            |one| one.startup_delay = Nanos::ZERO.duration(),
            |one| one.missed_adverts = NonZeroU8::MIN.saturating_add(2),
            |one| one.lease = LeasePolicy::Auto,
            |one| one.announce = AnnounceSchedule::default(),
        ];
        let mut better = false;
        for plain in plainer {
            let mut smaller = self.best.clone();
            let machines = smaller.machines.iter_mut();
            machines
                .flat_map(|machine| machine.routers.iter_mut().flatten())
                .for_each(plain);
            better |= smaller != self.best && self.accept(smaller);
        }
        better
    }

    /// Everything comes sooner and is over sooner.
    fn shorter(&mut self) -> bool {
        let mut better = false;
        for index in 0..self.best.faults.len() {
            let mut smaller = self.best.clone();
            let Some(fault) = smaller.faults.get_mut(index) else {
                break;
            };
            let before = index
                .checked_sub(1)
                .and_then(|before| self.best.faults.get(before));
            let free = fault.at - before.map_or(Nanos::secs(2), |before| before.at);
            if free > Nanos::secs(1) {
                let sooner = Nanos(free.0 / 2);
                for later in smaller.faults.iter_mut().skip(index) {
                    later.at = later.at - sooner;
                }
                better |= self.accept(smaller.clone());
            }
            let mut smaller = self.best.clone();
            if let Some(fault) = smaller.faults.get_mut(index)
                && fault.lasts > Nanos::millis(10)
            {
                fault.lasts = Nanos(fault.lasts.0 / 2);
                better |= self.accept(smaller);
            }
        }
        better
    }
}

fn without_machine(scenario: &Scenario, gone: u8) -> Scenario {
    let mut smaller = scenario.clone();
    smaller.machines.remove(usize::from(gone));
    let moved = |machine: u8| if machine > gone { machine - 1 } else { machine };
    let keep = |mut fault: Fault| {
        if fault.kind.machine() == Some(gone) {
            return None;
        }
        if let Kind::Cut { to, .. } = &mut fault.kind {
            let below = *to & ((1 << gone) - 1);
            *to = below | (*to >> 1 & !((1 << gone) - 1));
            if *to == 0 {
                return None;
            }
        }
        if let Some(machine) = fault.kind.machine_mut() {
            *machine = moved(*machine);
        }
        Some(fault)
    };
    smaller.faults = scenario.faults.iter().copied().filter_map(keep).collect();
    smaller
}

fn without_vrid(scenario: &Scenario, gone: u8) -> Scenario {
    let mut smaller = scenario.clone();
    for machine in &mut smaller.machines {
        machine.routers.remove(usize::from(gone));
    }
    let keep = |mut fault: Fault| {
        if let Some(vrid) = fault.kind.vrid_mut() {
            if *vrid == gone {
                return None;
            }
            if *vrid > gone {
                *vrid -= 1;
            }
        }
        Some(fault)
    };
    smaller.faults = scenario.faults.iter().copied().filter_map(keep).collect();
    smaller
}

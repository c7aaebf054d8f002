//! From a seed to a scenario.

use std::num::NonZeroU8;

use locum_vrrp_election::transcript::Parameters;
use locum_vrrp_election::{AnnounceSchedule, Config, LeasePolicy, Preempt};
use locum_vrrp_wire::{AdvertInterval, Priority, Version};

use super::Nanos;
use super::bounds::Bounds;
use super::rng::Rng;
use super::scenario::{Change, Failure, Fault, Kind, MachinePlan, Pause, Scenario};

/// What [`Scenario::from_seed`] may choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain limits")]
pub struct Limits {
    /// The fewest and the most machines.
    pub machines: (u8, u8),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            machines: (2, super::MOST_MACHINES),
        }
    }
}

impl Scenario {
    /// The scenario of `seed`. It stays the same for a version of the simulation.
    #[must_use]
    pub fn from_seed(seed: u64, limits: Limits) -> Self {
        let mut rng = Rng::new(seed);
        let machines = machines(&mut rng, limits);
        let vrids = machines.first().map_or(0, |plan| plan.routers.len());
        let bounds: Vec<Bounds> = (0..vrids)
            .filter_map(|vrid| u8::try_from(vrid).ok())
            .map(|vrid| Bounds::of(&machines, vrid))
            .collect();
        let mut scenario = Self {
            seed,
            end: Nanos::ZERO,
            machines,
            faults: Vec::new(),
        };
        Troubles {
            rng,
            settling: most(&bounds, |one| one.settling(false)),
            down: most(&bounds, |one| one.down),
            interval: most(&bounds, |one| one.interval),
            lease: most(&bounds, |one| one.lease),
        }
        .fill(&mut scenario);
        scenario
    }
}

fn most(bounds: &[Bounds], of: impl Fn(&Bounds) -> Nanos) -> Nanos {
    bounds.iter().map(of).max().unwrap_or_default()
}

fn machines(rng: &mut Rng, limits: Limits) -> Vec<MachinePlan> {
    let (fewest, most) = limits.machines;
    let count = rng
        .pick(&[2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7])
        .clamp(fewest, most);
    let vrids = rng.pick(&[1, 1, 1, 1, 2, 2, 3]);
    let mut machines: Vec<MachinePlan> = (0..count)
        .map(|_| MachinePlan {
            start: rng.between(Nanos::ZERO, Nanos::secs(2)),
            routers: Vec::new(),
        })
        .collect();
    for _ in 0..vrids {
        let model = model(rng);
        let preempt = rng.small(10);
        let owner = rng.chance(100).then(|| usize::from(rng.small(count)));
        let same = rng.chance(150);
        for (index, machine) in machines.iter_mut().enumerate() {
            let mut one = model.clone();
            one.priority = match owner {
                Some(owner) if owner == index => Priority::OWNER,
                _ if same => Priority::new(100),
                _ => Priority::new(1 + rng.small(254)),
            };
            one.preempt = match preempt {
                0..6 => Preempt::Allow {
                    delay: Nanos::ZERO.duration(),
                },
                6..8 => Preempt::Forbid,
                _ => rng.pick(&[
                    Preempt::Forbid,
                    Preempt::Allow {
                        delay: Nanos::ZERO.duration(),
                    },
                    Preempt::Allow {
                        delay: Nanos::millis(500).duration(),
                    },
                    Preempt::Allow {
                        delay: Nanos::secs(5).duration(),
                    },
                ]),
            };
            if rng.chance(150) {
                one.startup_delay = rng.between(Nanos::millis(1), Nanos::secs(10)).duration();
            }
            if one.interval.version() == Version::V3 && rng.chance(40) {
                let units = one.interval.wire_value() * 2;
                one.interval = AdvertInterval::v3(units).unwrap_or(one.interval);
            }
            one.lease = lease(rng, &one);
            let has_it = index < 2 || rng.chance(900);
            machine.routers.push(has_it.then_some(one));
        }
    }
    machines
}

fn lease(rng: &mut Rng, one: &Parameters) -> LeasePolicy {
    let shortest = Config::try_from(one)
        .ok()
        .and_then(|one| one.lease_duration());
    match shortest {
        Some(shortest) if rng.chance(200) => {
            let more = rng.between(Nanos::ZERO, Nanos::secs(10)).duration();
            LeasePolicy::Fixed(shortest + more)
        }
        Some(_) | None => LeasePolicy::Auto,
    }
}

/// What the routers of one VRID have in common.
fn model(rng: &mut Rng) -> Parameters {
    let interval = match rng.small(16) {
        0 => AdvertInterval::v3(1),
        1 => AdvertInterval::v3(5),
        2..5 => AdvertInterval::v3(10),
        5..9 => AdvertInterval::v3(100),
        9 => AdvertInterval::v3(200),
        10 => AdvertInterval::v3(500),
        11..14 => AdvertInterval::v2(1),
        14 => AdvertInterval::v2(2),
        _ => AdvertInterval::v2(5),
    };
    let missed = rng.pick(&[3, 3, 3, 3, 3, 2, 4, 5]);
    let announce = match rng.small(8) {
        0 => AnnounceSchedule {
            again_after: None,
            refresh: None,
        },
        1 => AnnounceSchedule {
            again_after: Some(Nanos::secs(2).duration()),
            refresh: Some(Nanos::secs(10).duration()),
        },
        _ => AnnounceSchedule::default(),
    };
    Parameters {
        interval: interval.expect("an interval of its version"),
        priority: Priority::DEFAULT,
        addresses: rng.pick(&[1, 1, 1, 2, 10, 200]),
        preempt: Preempt::Forbid,
        startup_delay: Nanos::ZERO.duration(),
        missed_adverts: NonZeroU8::new(missed).unwrap_or(NonZeroU8::MIN),
        lease: LeasePolicy::Auto,
        announce,
    }
}

struct Troubles {
    rng: Rng,
    settling: Nanos,
    down: Nanos,
    interval: Nanos,
    lease: Nanos,
}

impl Troubles {
    /// Waves of faults; after some of them there is time to settle, after some there is not.
    fn fill(mut self, scenario: &mut Scenario) {
        let mut at = Nanos::secs(2);
        let mut over = at;
        if self.rng.chance(800) {
            at = at + self.settling;
        }
        let waves = if self.interval < Nanos::millis(20) {
            3
        } else {
            8
        };
        for _ in 0..=self.rng.small(waves) {
            let planned = self.rng.chance(400);
            for _ in 0..=self.rng.small(3) {
                let begins = at + self.soon();
                let kind = if planned {
                    self.planned(scenario)
                } else {
                    self.any(scenario)
                };
                let lasts = self.lasts(kind);
                over = over.max(begins + lasts);
                let fault = Fault {
                    at: begins,
                    lasts,
                    kind,
                };
                self.spread(scenario, fault);
            }
            at = if self.rng.chance(600) {
                over + self.settling + self.soon()
            } else {
                at + self.soon()
            };
        }
        scenario.faults.sort_by_key(|fault| fault.at);
        let changes = |fault: &Fault| {
            let change = matches!(fault.kind, Kind::Reconfigure { .. });
            change || matches!(fault.kind, Kind::StandBy { .. })
        };
        if scenario.faults.iter().any(changes) {
            // With twice the interval everything takes twice as long.
            self.settling = self.settling.times(2);
        }
        // Somebody may stop (6 s), start again, wait for 10 s and try a failed effect again after 10 s.
        let last = Nanos::secs(26) + self.settling.times(2);
        scenario.end = over.max(at) + last;
    }

    /// Some troubles come in company: all machines pause, or nothing gets through both ways.
    fn spread(&mut self, scenario: &mut Scenario, fault: Fault) {
        let size = scenario.size();
        let faults = &mut scenario.faults;
        if let Kind::Pause { how, .. } = fault.kind
            && self.rng.chance(300)
        {
            for machine in 0..size {
                let kind = Kind::Pause { machine, how };
                faults.push(Fault { kind, ..fault });
            }
            return;
        }
        faults.push(fault);
        if let Kind::Cut { from, to } = fault.kind
            && self.rng.chance(600)
        {
            for machine in (0..size).filter(|one| to & (1 << one) != 0) {
                let kind = Kind::Cut {
                    from: machine,
                    to: 1 << from,
                };
                faults.push(Fault { kind, ..fault });
            }
        }
    }

    /// A time that something interesting may happen within.
    fn soon(&mut self) -> Nanos {
        let most = match self.rng.small(6) {
            0 => return Nanos::ZERO,
            1 => Nanos::millis(2),
            2 => Nanos::millis(100),
            3 => self.interval,
            4 => self.down,
            _ => self.settling,
        };
        self.rng.between(Nanos::ZERO, most)
    }

    fn lasts(&mut self, kind: Kind) -> Nanos {
        let instantly = matches!(kind, Kind::AddressRemoved { .. } | Kind::ClockJump { .. });
        if instantly {
            return Nanos::ZERO;
        }
        if matches!(kind, Kind::StandBy { .. }) && self.rng.chance(500) {
            return self.settling + self.soon();
        }
        let most = match self.rng.small(6) {
            0 => Nanos::millis(20),
            1 => self.interval,
            2 => self.down,
            3 => self.lease,
            4 => self.lease.times(2),
            _ => self.settling,
        };
        self.rng
            .between(Nanos::millis(1), most.max(Nanos::millis(20)))
    }

    fn planned(&mut self, scenario: &Scenario) -> Kind {
        let machine = self.rng.small(scenario.size());
        let vrid = self.rng.small(scenario.vrids());
        match self.rng.small(12) {
            8..10 => Kind::Reconfigure {
                machine,
                vrid,
                change: self.change(scenario, machine, vrid),
            },
            10..12 => Kind::StandBy { machine, vrid },
            0..4 => Kind::Stop { machine },
            4..6 => Kind::Priority {
                machine,
                vrid,
                to: 1 + self.rng.small(254),
            },
            6 => Kind::TrackingFails { machine, vrid },
            _ => Kind::Duplicates {
                permille: self.rng.pick(&[20, 500, 1000]),
            },
        }
    }

    fn change(&mut self, scenario: &Scenario, machine: u8, vrid: u8) -> Change {
        let plan = scenario.machines.get(usize::from(machine));
        let router = plan.and_then(|plan| plan.routers.get(usize::from(vrid)));
        let interval = router.and_then(Option::as_ref).map(|one| one.interval);
        match interval.filter(|interval| interval.version() == Version::V3) {
            Some(interval) if self.rng.chance(500) => {
                let units = interval.wire_value();
                Change::Interval(
                    self.rng
                        .pick(&[units.div_ceil(10), units.div_ceil(2), units * 2]),
                )
            }
            Some(_) | None => match self.rng.small(2) {
                0 => Change::Priority(1 + self.rng.small(254)),
                _ => Change::Preempt(self.rng.pick(&[
                    Preempt::Forbid,
                    Preempt::Allow {
                        delay: Nanos::ZERO.duration(),
                    },
                    Preempt::Allow {
                        delay: Nanos::millis(500).duration(),
                    },
                ])),
            },
        }
    }

    fn any(&mut self, scenario: &Scenario) -> Kind {
        let machine = self.rng.small(scenario.size());
        let vrid = self.rng.small(scenario.vrids());
        match self.rng.small(24) {
            0..3 => self.planned(scenario),
            3 => Kind::AddressRemoved { machine, vrid },
            4 => {
                let most = self
                    .rng
                    .pick(&[self.interval, self.down, self.lease.times(2)]);
                Kind::ClockJump {
                    machine,
                    by: self.rng.between(Nanos::ZERO, most),
                }
            }
            5..7 => Kind::Crash { machine },
            7..10 => {
                let others = ((1 << scenario.size()) - 1) & !(1 << machine);
                let some = others & self.rng.small(128);
                Kind::Cut {
                    from: machine,
                    to: if some == 0 { others } else { some },
                }
            }
            10 => Kind::Delay {
                up_to: self.rng.pick(&[
                    Nanos::millis(2),
                    Nanos::millis(20),
                    Nanos::millis(300),
                    self.interval.times(2),
                ]),
            },
            11 => Kind::DriverFails {
                machine,
                how: self
                    .rng
                    .pick(&[Failure::Forgets, Failure::HalfDone, Failure::Refuses]),
            },
            12..14 => Kind::DriverSlow {
                machine,
                up_to: self.rng.pick(&[
                    Nanos::millis(5),
                    Nanos::millis(100),
                    Nanos::secs(1),
                    Nanos::secs(8),
                ]),
            },
            14 => Kind::LinkDown { machine },
            15..17 => Kind::Loss {
                permille: self.rng.pick(&[10, 100, 300, 600, 900, 1000]),
            },
            17..21 => Kind::Pause {
                machine,
                how: self.rng.pick(&[
                    Pause::Process,
                    Pause::Process,
                    Pause::Machine,
                    Pause::MachineClockRuns,
                ]),
            },
            21 => Kind::PowerOff { machine },
            22 => Kind::SendFails { machine },
            _ => Kind::SourceLost { machine },
        }
    }
}

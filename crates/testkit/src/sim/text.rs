//! A scenario as text, and back.
//!
//! ```text
//! locum-scenario 1
//! seed 42
//! end 120.000000000
//! machine m1 start=0.199307195
//! router m1.v1 version=3 interval=100 priority=150 …
//! machine m2 start=0.000000000
//! fault 12.500000000 lasts=3.200000000 pause m1 how=process
//! ```
//!
//! The parameters of a router are those of a transcript.

use std::fmt;
use std::str::FromStr;

use locum_vrrp_election::Preempt;
use locum_vrrp_election::transcript::Seconds;
use thiserror::Error;

use super::Nanos;
use super::scenario::{Change, Failure, Fault, Kind, MOST_MACHINES, MachinePlan, Pause, Scenario};

/// The first line of every scenario.
pub const SCENARIO_HEADER: &str = "locum-scenario 1";

/// A text that is no scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Another format, or another version of it.
    #[error("not a scenario of version 1")]
    Header,
    /// A line that is not understood.
    #[error("line {0} is not understood")]
    Line(usize),
}

const fn seconds(nanos: Nanos) -> Seconds {
    Seconds(nanos.duration())
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{SCENARIO_HEADER}")?;
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "end {}", seconds(self.end))?;
        for (machine, plan) in (1..).zip(&self.machines) {
            writeln!(f, "machine m{machine} start={}", seconds(plan.start))?;
            for (vrid, router) in (1..).zip(&plan.routers) {
                if let Some(router) = router {
                    writeln!(f, "router m{machine}.v{vrid} {router}")?;
                }
            }
        }
        for Fault { at, lasts, kind } in &self.faults {
            writeln!(f, "fault {} lasts={} {kind}", seconds(*at), seconds(*lasts))?;
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = |machine: u8| machine + 1;
        match *self {
            Self::AddressRemoved { machine, vrid } => {
                write!(f, "address-removed m{}.v{}", m(machine), vrid + 1)
            }
            Self::ClockJump { machine, by } => {
                write!(f, "clock-jump m{} by={}", m(machine), seconds(by))
            }
            Self::Crash { machine } => write!(f, "crash m{}", m(machine)),
            Self::Cut { from, to } => {
                write!(f, "cut m{} to=", m(from))?;
                let others = (0..MOST_MACHINES).filter(|one| to & (1 << one) != 0);
                for (index, other) in others.enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}m{}", other + 1)?;
                }
                Ok(())
            }
            Self::Delay { up_to } => write!(f, "delay up-to={}", seconds(up_to)),
            Self::DriverFails { machine, how } => {
                write!(f, "driver-fails m{} how={}", m(machine), how.word())
            }
            Self::DriverSlow { machine, up_to } => {
                write!(f, "driver-slow m{} up-to={}", m(machine), seconds(up_to))
            }
            Self::Duplicates { permille } => write!(f, "duplicates permille={permille}"),
            Self::LinkDown { machine } => write!(f, "link-down m{}", m(machine)),
            Self::Loss { permille } => write!(f, "loss permille={permille}"),
            Self::Pause { machine, how } => {
                write!(f, "pause m{} how={}", m(machine), how.word())
            }
            Self::PowerOff { machine } => write!(f, "power-off m{}", m(machine)),
            Self::Priority { machine, vrid, to } => {
                write!(f, "priority m{}.v{} to={to}", m(machine), vrid + 1)
            }
            Self::Reconfigure {
                machine,
                vrid,
                change,
            } => {
                write!(f, "reconfigure m{}.v{} ", m(machine), vrid + 1)?;
                match change {
                    Change::Interval(units) => write!(f, "interval={units}"),
                    Change::Preempt(Preempt::Forbid) => f.write_str("preempt=never"),
                    Change::Preempt(Preempt::Allow { delay }) => {
                        write!(f, "preempt={}", Seconds(delay))
                    }
                    Change::Priority(priority) => write!(f, "priority={priority}"),
                }
            }
            Self::StandBy { machine, vrid } => {
                write!(f, "stand-by m{}.v{}", m(machine), vrid + 1)
            }
            Self::SendFails { machine } => write!(f, "send-fails m{}", m(machine)),
            Self::SourceLost { machine } => write!(f, "source-lost m{}", m(machine)),
            Self::Stop { machine } => write!(f, "stop m{}", m(machine)),
            Self::TrackingFails { machine, vrid } => {
                write!(f, "tracking-fails m{}.v{}", m(machine), vrid + 1)
            }
        }
    }
}

impl Failure {
    const fn word(self) -> &'static str {
        match self {
            Self::Forgets => "forgets",
            Self::HalfDone => "half-done",
            Self::Refuses => "refuses",
        }
    }
}

impl Pause {
    const fn word(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::MachineClockRuns => "machine-clock-runs",
            Self::Process => "process",
        }
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().map(|(_, line)| line.trim()) != Some(SCENARIO_HEADER) {
            return Err(ScenarioError::Header);
        }
        let mut scenario = Self {
            seed: 0,
            end: Nanos::ZERO,
            machines: Vec::new(),
            faults: Vec::new(),
        };
        for (number, line) in lines {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            scenario.read(line).ok_or(ScenarioError::Line(number))?;
        }
        let most = usize::from(scenario.vrids());
        for machine in &mut scenario.machines {
            machine.routers.resize(most, None);
        }
        let (size, vrids) = (scenario.size(), scenario.vrids());
        let known = |fault: &Fault| fault.kind.is_within(size, vrids);
        if size > MOST_MACHINES || !scenario.faults.iter().all(known) {
            return Err(ScenarioError::Line(0));
        }
        scenario.faults.sort_by_key(|fault| fault.at);
        Ok(scenario)
    }
}

impl Scenario {
    fn read(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "seed" => self.seed = rest.parse().ok()?,
            "end" => self.end = time(rest)?,
            "machine" => {
                let (name, start) = rest.split_once(" start=")?;
                if machine(name)? != self.size() {
                    return None;
                }
                self.machines.push(MachinePlan {
                    start: time(start)?,
                    routers: Vec::new(),
                });
            }
            "router" => {
                let (name, parameters) = rest.split_once(' ')?;
                let (machine, vrid) = router(name)?;
                let plan = self.machines.get_mut(usize::from(machine))?;
                let vrid = usize::from(vrid);
                let parameters = parameters.parse().ok()?;
                locum_vrrp_election::Config::try_from(&parameters).ok()?;
                plan.routers.resize(plan.routers.len().max(vrid + 1), None);
                *plan.routers.get_mut(vrid)? = Some(parameters);
            }
            "fault" => {
                let (at, rest) = rest.split_once(" lasts=")?;
                let (lasts, kind) = rest.split_once(' ')?;
                self.faults.push(Fault {
                    at: time(at)?,
                    lasts: time(lasts)?,
                    kind: read_kind(kind)?,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

fn time(text: &str) -> Option<Nanos> {
    let Seconds(time) = text.parse().ok()?;
    Some(Nanos::from(time))
}

/// `m1` is machine 0.
fn machine(name: &str) -> Option<u8> {
    name.strip_prefix('m')?.parse::<u8>().ok()?.checked_sub(1)
}

/// `m1.v1` is VRID 0 on machine 0. There are not many.
fn router(name: &str) -> Option<(u8, u8)> {
    let (name, vrid) = name.split_once(".v")?;
    let vrid = vrid.parse::<u8>().ok()?.checked_sub(1)?;
    (vrid < 16).then_some((machine(name)?, vrid))
}

fn read_kind(text: &str) -> Option<Kind> {
    let mut words = text.split(' ');
    let word = words.next()?;
    let mut next = || words.next();
    let value = |word: Option<&str>, key: &str| {
        word?
            .strip_prefix(key)?
            .strip_prefix('=')
            .map(str::to_owned)
    };
    let kind = match word {
        "address-removed" => {
            let (machine, vrid) = router(next()?)?;
            Kind::AddressRemoved { machine, vrid }
        }
        "clock-jump" => Kind::ClockJump {
            machine: machine(next()?)?,
            by: time(&value(next(), "by")?)?,
        },
        "crash" => Kind::Crash {
            machine: machine(next()?)?,
        },
        "cut" => {
            let from = machine(next()?)?;
            let mut to = 0;
            for name in value(next(), "to")?.split(',') {
                to |= 1_u8.checked_shl(u32::from(machine(name)?))?;
            }
            Kind::Cut { from, to }
        }
        "delay" => Kind::Delay {
            up_to: time(&value(next(), "up-to")?)?,
        },
        "driver-fails" => Kind::DriverFails {
            machine: machine(next()?)?,
            how: match value(next(), "how")?.as_str() {
                "forgets" => Failure::Forgets,
                "half-done" => Failure::HalfDone,
                "refuses" => Failure::Refuses,
                _ => return None,
            },
        },
        "driver-slow" => Kind::DriverSlow {
            machine: machine(next()?)?,
            up_to: time(&value(next(), "up-to")?)?,
        },
        "duplicates" => Kind::Duplicates {
            permille: value(next(), "permille")?.parse().ok()?,
        },
        "link-down" => Kind::LinkDown {
            machine: machine(next()?)?,
        },
        "loss" => Kind::Loss {
            permille: value(next(), "permille")?.parse().ok()?,
        },
        "pause" => Kind::Pause {
            machine: machine(next()?)?,
            how: match value(next(), "how")?.as_str() {
                "machine" => Pause::Machine,
                "machine-clock-runs" => Pause::MachineClockRuns,
                "process" => Pause::Process,
                _ => return None,
            },
        },
        "power-off" => Kind::PowerOff {
            machine: machine(next()?)?,
        },
        "priority" => {
            let (machine, vrid) = router(next()?)?;
            let to = value(next(), "to")?.parse().ok()?;
            (1..=254).contains(&to).then_some(())?;
            Kind::Priority { machine, vrid, to }
        }
        "reconfigure" => {
            let (machine, vrid) = router(next()?)?;
            Kind::Reconfigure {
                machine,
                vrid,
                change: read_change(next()?)?,
            }
        }
        "stand-by" => {
            let (machine, vrid) = router(next()?)?;
            Kind::StandBy { machine, vrid }
        }
        "send-fails" => Kind::SendFails {
            machine: machine(next()?)?,
        },
        "source-lost" => Kind::SourceLost {
            machine: machine(next()?)?,
        },
        "stop" => Kind::Stop {
            machine: machine(next()?)?,
        },
        "tracking-fails" => {
            let (machine, vrid) = router(next()?)?;
            Kind::TrackingFails { machine, vrid }
        }
        _ => return None,
    };
    words.next().is_none().then_some(kind)
}

fn read_change(text: &str) -> Option<Change> {
    let (key, value) = text.split_once('=')?;
    Some(match (key, value) {
        ("interval", units) => Change::Interval(units.parse().ok()?),
        ("preempt", "never") => Change::Preempt(Preempt::Forbid),
        ("preempt", delay) => Change::Preempt(Preempt::Allow {
            delay: time(delay)?.duration(),
        }),
        ("priority", priority) => {
            let priority = priority.parse().ok()?;
            (1..=254).contains(&priority).then_some(())?;
            Change::Priority(priority)
        }
        _ => return None,
    })
}

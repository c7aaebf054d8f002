use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use locum_vrrp_election::{
    Action, Advert, AnnounceSchedule, Config, Effect, Election, HoldId, Input, LeasePolicy, Link,
    Preempt, Rejected, State, Tracking,
};
use locum_vrrp_wire::{AdvertInterval, Priority};

/// No input leads to more actions.
const MOST_ACTIONS: usize = 7;

const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 4));

/// Whatever happens to a virtual router, in whatever order and however late, it keeps its invariants, which the
/// election checks itself after each input in a build with debug assertions, and its contract, which is checked here.
///
/// The first eight bytes are the configuration; each step after them has one byte that says what happens, and one or
/// two more that say the rest. At the end it is told to stop twice, and must have let go.
pub fn election(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let Some(config) = bytes.config() else {
        return;
    };
    let mut driver = Driver::new(config);
    while let Some(step) = bytes.step() {
        driver.step(step);
    }
    driver.input(Input::Shutdown);
    driver.input(Input::Shutdown);
    assert_eq!(driver.state, State::Initialize);
    assert_eq!(driver.holding, None);
    assert_eq!(driver.election.poll_timeout(), None);
}

#[derive(Debug)]
enum Step {
    Pass(Duration),
    /// On to the deadline, and as much later.
    Deadline(Duration),
    Input(Input),
    /// Of the hold of now, or of this many before it.
    Report(fn(HoldId) -> Effect, u8),
}

/// What is left of the input.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// From nothing to 2000 s, with microseconds at the lower end: five bits of mantissa, three of exponent to base 10.
    fn duration(&mut self) -> Option<Duration> {
        let byte = self.next()?;
        let unit = 10_u64.pow(u32::from(byte & 7));
        Some(Duration::from_micros(u64::from(byte >> 3) * unit * 6))
    }

    fn optional_duration(&mut self) -> Option<Option<Duration>> {
        let duration = self.duration()?;
        Some((!duration.is_zero()).then_some(duration))
    }

    fn interval(&mut self) -> Option<AdvertInterval> {
        let interval = match self.next()? {
            byte @ 0..=127 => AdvertInterval::v3(u16::from(byte) * 32 + 1),
            byte @ 128..=191 => AdvertInterval::v3(u16::from(byte - 127)),
            byte @ 192..=255 => AdvertInterval::v2(byte - 191),
        };
        Some(interval.expect("in range"))
    }

    fn config(&mut self) -> Option<Config> {
        let interval = self.interval()?;
        let priority = Priority::new(self.next()?);
        let Ok(config) = Config::new(interval, priority) else {
            assert!(priority.is_stop());
            return None;
        };
        let (policies, addresses) = (self.next()?, self.next()?);
        let (delay, startup_delay) = (self.duration()?, self.duration()?);
        let announce = AnnounceSchedule {
            again_after: self.optional_duration()?,
            refresh: self.optional_duration()?,
        };
        let config = config
            .addresses(u16::from(addresses) * 8)
            .preempt(if policies & 1 == 0 {
                Preempt::Allow { delay }
            } else {
                Preempt::Forbid
            })
            .startup_delay(startup_delay)
            .missed_adverts(NonZeroU8::MIN.saturating_add(policies >> 1 & 3))
            .announce(announce);
        let lease = match policies >> 3 & 3 {
            0 | 1 => LeasePolicy::Auto,
            2 => LeasePolicy::Fixed(Duration::from_secs(u64::from(policies >> 5) * 900)),
            _ => LeasePolicy::Off,
        };
        // Too short a lease is refused.
        config.lease(lease).ok().or(Some(config))
    }

    fn advert(&mut self, host: u8) -> Option<Input> {
        let priority = Priority::new(self.next()?);
        Some(Input::Advertisement(Advert {
            source: Ipv4Addr::new(192, 0, 2, host).into(),
            priority,
            interval: self.interval()?,
        }))
    }

    fn step(&mut self) -> Option<Step> {
        let byte = self.next()?;
        let input = match byte {
            0..=31 => return Some(Step::Pass(self.duration()?)),
            32..=95 => return Some(Step::Deadline(Duration::ZERO)),
            96..=103 => return Some(Step::Deadline(self.duration()?)),
            104..=127 => return Some(Step::Report(Effect::Held, byte & 3)),
            128..=135 => return Some(Step::Report(Effect::HoldFailed, byte & 3)),
            136..=143 => return Some(Step::Report(Effect::HoldLapsed, byte & 3)),
            144..=148 => Input::Startup,
            149 => Input::Announce,
            150 => Input::Adopt {
                age: self.duration()?,
            },
            151 => Input::StandBy {
                time: self.optional_duration()?,
            },
            152..=155 => Input::Shutdown,
            156 => Input::Reconfigure(self.config()?),
            157..=159 => Input::SetPriority(Priority::new(self.next()?)),
            160..=163 => Input::Link(Link::Up),
            164..=165 => Input::Link(Link::Down),
            166..=169 => Input::Source(Some(OURS)),
            170..=171 => Input::Source(None),
            172..=173 => Input::Tracking(Tracking::Failed),
            174..=177 => Input::Tracking(Tracking::Recovered),
            178..=183 => Input::Effect(Effect::NotSent),
            184..=191 => Input::Timeout,
            192..=255 => self.advert(byte & 7)?,
        };
        Some(Step::Input(input))
    }
}

/// Drives an election, and knows what its actions amount to.
struct Driver {
    election: Election,
    now: Instant,
    /// Every hold that was asked for, oldest first.
    holds: Vec<HoldId>,
    holding: Option<HoldId>,
    state: State,
}

impl Driver {
    fn new(config: Config) -> Self {
        Self {
            election: Election::new(config),
            now: Instant::now(),
            holds: Vec::new(),
            holding: None,
            state: State::Initialize,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.now += time,
            Step::Deadline(late) => {
                if let Some(deadline) = self.election.poll_timeout() {
                    self.now = self.now.max(deadline.at) + late;
                    self.input(Input::Timeout);
                }
            }
            Step::Input(input) => self.input(input),
            Step::Report(report, before) => {
                if let Some(id) = self.holds.iter().rev().nth(before.into()) {
                    self.input(Input::Effect(report(*id)));
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        let before = self.seen();
        let result = self.election.handle(self.now, input);
        let alive = !matches!(self.election.state(), State::Initialize | State::Fault);
        let refused = match result {
            // Whoever leaves for good cannot stand by.
            Err(Rejected::NotRunning) => !alive || matches!(input, Input::StandBy { .. }),
            Err(Rejected::Priority | Rejected::Version) | Ok(()) => true,
            Err(_) => alive,
        };
        assert!(refused, "{input:?} gives {result:?}: {:?}", self.election);
        // A lease that has passed is accounted for before anything else.
        if result.is_err() && before.leases_lapsed == self.seen().leases_lapsed {
            assert_eq!(before, self.seen(), "refused is {input:?}");
        }
        if input == Input::Timeout {
            let next = self.election.poll_timeout();
            assert!(next.is_none_or(|deadline| deadline.at > self.now));
        }
        let actions: Vec<Action> = std::iter::from_fn(|| self.election.poll_action()).collect();
        assert!(
            actions.len() <= MOST_ACTIONS,
            "{input:?} leads to {actions:?}"
        );
        for (index, action) in actions.iter().enumerate() {
            self.carry_out(*action, &actions[index..]);
        }
        self.agree();
    }

    fn carry_out(&mut self, action: Action, rest: &[Action]) {
        match action {
            Action::Advertise(priority) => {
                let next = rest.iter().find_map(|action| match action {
                    Action::Transition(transition) => Some(transition.to),
                    _ => None,
                });
                let allowed = if priority.is_stop() {
                    matches!(self.state, State::Master | State::Leaving)
                } else {
                    self.state == State::Master || next == Some(State::Master)
                };
                assert!(allowed, "{action:?} in {:?}", self.state);
            }
            Action::Hold { id, until } => {
                assert!(self.holding.is_none_or(|old| old <= id));
                assert!(until.is_none_or(|until| until > self.now));
                if self.holds.last() != Some(&id) {
                    self.holds.push(id);
                }
                self.holding = Some(id);
            }
            Action::Release => assert!(self.holding.take().is_some(), "nothing to release"),
            Action::Announce => assert!(self.holding.is_some(), "nothing to announce"),
            Action::Transition(transition) => {
                assert_eq!(transition.from, self.state);
                assert_ne!(transition.from, transition.to);
                self.state = transition.to;
            }
        }
    }

    /// What was asked for is what the election says of itself.
    fn agree(&self) {
        assert_eq!(self.state, self.election.state());
        let holds = self.election.holds().map(|(id, _)| id);
        assert_eq!(self.holding, holds);
        match self.state {
            State::Initialize | State::Fault => assert_eq!(holds, None),
            State::Backup => {}
            State::Preempting | State::Master | State::Leaving => assert!(holds.is_some()),
        }
        if self.state == State::Initialize {
            assert_eq!(self.election.poll_timeout(), None);
        } else if self.state != State::Fault {
            assert!(
                self.election.poll_timeout().is_some(),
                "nothing will happen"
            );
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            state: self.election.state(),
            holds: self.election.holds(),
            deadline: self.election.poll_timeout(),
            priority: self.election.priority(),
            master: self.election.master(),
            leases_lapsed: self.election.stats().leases_lapsed,
        }
    }
}

/// What can be seen of an election from outside.
#[derive(Debug, PartialEq)]
struct Seen {
    state: State,
    holds: Option<(HoldId, Option<Instant>)>,
    deadline: Option<locum_vrrp_election::Deadline>,
    priority: Priority,
    master: Option<locum_vrrp_election::MasterSeen>,
    leases_lapsed: u64,
}

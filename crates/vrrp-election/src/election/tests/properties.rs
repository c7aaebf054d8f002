//! What holds for every history: time in generated steps, inputs in any order, reports true and false.

use core::num::NonZeroU8;
use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use locum_vrrp_wire::{AdvertInterval, Priority};
use proptest::prelude::*;

use super::super::Election;
use super::support::{OURS, delayed, epoch, ms, v2, v3};
use crate::config::{AnnounceSchedule, Config, LeasePolicy, Preempt};
use crate::interface::{
    Action, Advert, Effect, HoldId, Input, Link, Rejected, State, Stats, Timer, Tracking,
};

/// The most actions that one input can lead to, so that the queue, which has room for 8, never grows: a Leaving owner
/// whose lease has passed lets go and is Master again, which is 5, and is told to stop or hears a rival.
const MOST_ACTIONS: usize = 7;

#[derive(Debug, Clone)]
enum Step {
    Pass(Duration),
    /// On to the deadline, or as much later.
    Deadline(Duration),
    Input(Input),
    /// A report about the hold of now, or about this many before it.
    Report(Report, u64),
}

#[derive(Debug, Clone, Copy)]
enum Report {
    Held,
    Failed,
    Lapsed,
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0_u64..2000).prop_map(Duration::from_micros),
        4 => (0_u64..2000).prop_map(ms),
        1 => (0_u64..100_000).prop_map(ms),
    ]
}

fn intervals() -> impl Strategy<Value = AdvertInterval> {
    prop_oneof![
        Just(v3(1)),
        Just(v3(10)),
        Just(v3(100)),
        Just(v3(4095)),
        Just(v2(1)),
        Just(v2(3)),
    ]
}

fn adverts() -> impl Strategy<Value = Input> {
    let priority = prop_oneof![Just(0_u8), Just(100), Just(150), Just(255), any::<u8>()];
    (1_u8..9, priority, intervals()).prop_map(|(host, priority, interval)| {
        Input::Advertisement(Advert {
            source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)),
            priority: Priority::new(priority),
            interval,
        })
    })
}

fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => Just(Input::Startup),
        2 => Just(Input::Shutdown),
        2 => any::<u8>().prop_map(|priority| Input::SetPriority(Priority::new(priority))),
        20 => adverts(),
        4 => Just(Input::Link(Link::Up)),
        1 => Just(Input::Link(Link::Down)),
        4 => Just(Input::Source(Some(OURS))),
        1 => Just(Input::Source(None)),
        1 => Just(Input::Tracking(Tracking::Failed)),
        4 => Just(Input::Tracking(Tracking::Recovered)),
        2 => Just(Input::Effect(Effect::NotSent)),
        4 => Just(Input::Timeout),
        1 => durations().prop_map(|age| Input::Adopt { age }),
        3 => configs().prop_map(Input::Reconfigure),
        2 => prop::option::of(durations()).prop_map(|time| Input::StandBy { time }),
        1 => Just(Input::Announce),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let late = prop_oneof![6 => Just(Duration::ZERO), 1 => durations()];
    let report =
        prop_oneof![6 => Just(Report::Held), 1 => Just(Report::Failed), 1 => Just(Report::Lapsed)];
    let step = prop_oneof![
        2 => durations().prop_map(Step::Pass),
        6 => late.prop_map(Step::Deadline),
        8 => inputs().prop_map(Step::Input),
        3 => (report, 0_u64..3).prop_map(|(report, before)| Step::Report(report, before)),
    ];
    let start = [
        Step::Input(Input::Link(Link::Up)),
        Step::Input(Input::Source(Some(OURS))),
        Step::Input(Input::Startup),
    ];
    prop::collection::vec(step, 0..120)
        .prop_map(move |steps| start.iter().cloned().chain(steps).collect())
}

fn configs() -> impl Strategy<Value = Config> {
    let preempt = prop_oneof![
        3 => Just(delayed(Duration::ZERO)),
        1 => durations().prop_map(delayed),
        1 => Just(Preempt::Forbid),
    ];
    let delay = prop_oneof![3 => Just(Duration::ZERO), 1 => durations()];
    let priority = prop_oneof![2 => Just(150_u8), 1 => Just(255), 1 => 1_u8..=255];
    let announce = (prop::option::of(durations()), prop::option::of(durations()));
    let missed = (1_u8..=4).prop_map(|missed| NonZeroU8::new(missed).expect("not zero"));
    (
        (intervals(), priority, 0_u16..2000),
        (preempt, delay, missed, any::<bool>(), announce),
    )
        .prop_map(
            |((interval, priority, addresses), (preempt, delay, missed, leased, announce))| {
                let lease = if leased {
                    LeasePolicy::Auto
                } else {
                    LeasePolicy::Off
                };
                Config::new(interval, Priority::new(priority))
                    .expect("not zero")
                    .addresses(addresses)
                    .preempt(preempt)
                    .startup_delay(delay)
                    .missed_adverts(missed)
                    .announce(AnnounceSchedule {
                        again_after: announce.0,
                        refresh: announce.1,
                    })
                    .lease(lease)
                    .expect("long enough")
            },
        )
}

/// Drives an election, and knows what its actions amount to.
struct Driver {
    election: Election,
    now: Instant,
    holding: Option<HoldId>,
    state: State,
    log: Vec<(Instant, Action)>,
}

impl Driver {
    fn new(config: Config) -> Self {
        Self {
            election: Election::new(config),
            now: epoch(),
            holding: None,
            state: State::Initialize,
            log: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Pass(time) => {
                self.now += time;
                Ok(())
            }
            Step::Deadline(late) => match self.election.poll_timeout() {
                Some(deadline) => {
                    self.now = self.now.max(deadline.at) + late;
                    self.input(Input::Timeout)
                }
                None => Ok(()),
            },
            Step::Input(input) => self.input(input),
            Step::Report(report, before) => {
                let id = HoldId(self.election.holds.saturating_sub(before));
                self.input(Input::Effect(match report {
                    Report::Held => Effect::Held(id),
                    Report::Failed => Effect::HoldFailed(id),
                    Report::Lapsed => Effect::HoldLapsed(id),
                }))
            }
        }
    }

    fn input(&mut self, input: Input) -> Result<(), TestCaseError> {
        // A lease that has passed is accounted for before anything else.
        let mut untouched = self.election.clone();
        untouched.latest = Some(self.now);
        untouched.lapse_if_past(self.now);
        let early = input == Input::Timeout
            && untouched
                .poll_timeout()
                .is_none_or(|deadline| deadline.at > self.now);

        let result = self.election.handle(self.now, input);

        if early || result.is_err() {
            prop_assert_eq!(uncounted(&self.election), uncounted(&untouched));
        }
        if let Err(rejected) = result {
            let alive = !matches!(self.election.state(), State::Initialize | State::Fault);
            prop_assert!(
                alive
                    || matches!(
                        rejected,
                        Rejected::NotRunning | Rejected::Priority | Rejected::Version
                    )
            );
        }
        if input == Input::Timeout {
            let next = self.election.poll_timeout();
            prop_assert!(next.is_none_or(|deadline| deadline.at > self.now));
        }
        let actions: Vec<_> = core::iter::from_fn(|| self.election.poll_action()).collect();
        prop_assert!(actions.len() <= MOST_ACTIONS, "{:?}", actions);
        prop_assert!(self.election.actions.capacity() <= 8);
        for (index, action) in actions.iter().enumerate() {
            self.carry_out(*action, &actions[index..])?;
        }
        self.agree()
    }

    fn carry_out(&mut self, action: Action, rest: &[Action]) -> Result<(), TestCaseError> {
        self.log.push((self.now, action));
        match action {
            Action::Advertise(priority) => {
                let next = rest.iter().find_map(|action| match action {
                    Action::Transition(transition) => Some(transition.to),
                    Action::Advertise(_)
                    | Action::Hold { .. }
                    | Action::Release
                    | Action::Announce => None,
                });
                let allowed = if priority.is_stop() {
                    matches!(self.state, State::Master | State::Leaving)
                } else {
                    self.state == State::Master || next == Some(State::Master)
                };
                prop_assert!(allowed, "{:?} in {:?}", action, self.state);
            }
            Action::Hold { id, until } => {
                prop_assert!(self.holding.is_none_or(|old| old <= id));
                prop_assert!(until.is_none_or(|until| until > self.now));
                self.holding = Some(id);
            }
            Action::Release => {
                prop_assert!(self.holding.take().is_some(), "nothing to release");
            }
            Action::Announce => prop_assert!(self.holding.is_some()),
            Action::Transition(transition) => {
                prop_assert_eq!(transition.from, self.state);
                prop_assert_ne!(transition.from, transition.to);
                self.state = transition.to;
            }
        }
        Ok(())
    }

    /// What was asked for is what the election says of itself.
    fn agree(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.state, self.election.state());
        let holds = self.election.holds().map(|(id, _)| id);
        prop_assert_eq!(self.holding, holds);
        match self.state {
            State::Initialize | State::Fault => prop_assert_eq!(holds, None),
            State::Backup => {
                let lingers = self.election.timers.is_set(Timer::Linger);
                prop_assert_eq!(holds.is_some(), lingers);
            }
            State::Preempting | State::Master | State::Leaving => prop_assert!(holds.is_some()),
        }
        Ok(())
    }
}

fn uncounted(election: &Election) -> String {
    let mut election = election.clone();
    election.stats = Stats::default();
    format!("{election:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_history_keeps_the_contract(config in configs(), steps in steps()) {
        let mut driver = Driver::new(config);
        for step in &steps {
            driver.step(step)?;
        }
        // Told to stop twice, it lets go at once and for good.
        driver.input(Input::Shutdown)?;
        driver.input(Input::Shutdown)?;
        prop_assert_eq!(driver.state, State::Initialize);
        prop_assert_eq!(driver.holding, None);
        prop_assert_eq!(driver.election.poll_timeout(), None);
    }

    #[test]
    fn a_stopped_router_ends_by_its_deadlines_alone(config in configs(), steps in steps()) {
        let mut driver = Driver::new(config);
        for step in &steps {
            driver.step(step)?;
        }
        driver.input(Input::Shutdown)?;
        let stopped = driver.now;
        for _ in 0..20 {
            driver.step(&Step::Deadline(Duration::ZERO))?;
        }
        prop_assert_eq!(driver.state, State::Initialize);
        prop_assert_eq!(driver.holding, None);
        // Two intervals and the skew time, at most 5 s; an overlap with a successor of 2000 addresses lasts for 1.05 s.
        prop_assert!(driver.now - stopped <= ms(6050));
    }

    #[test]
    fn the_same_history_has_the_same_outcome(config in configs(), steps in steps()) {
        let run = || -> Result<_, TestCaseError> {
            let mut driver = Driver::new(config);
            for step in &steps {
                driver.step(step)?;
            }
            Ok((format!("{:?}", driver.election), driver.log))
        };
        prop_assert_eq!(run()?, run()?);
    }
}

#[test]
fn the_most_actions_that_one_input_can_lead_to_fit_into_the_queue() {
    let mut driver = Driver::new(Config::new(v3(100), Priority::OWNER).expect("not zero"));
    let start = [
        Input::Link(Link::Up),
        Input::Source(Some(OURS)),
        Input::Startup,
    ];
    for input in start.into_iter().chain([
        Input::Tracking(Tracking::Failed),
        Input::Tracking(Tracking::Recovered),
    ]) {
        driver.input(input).expect("accepted");
    }
    assert_eq!(driver.state, State::Leaving);
    driver.now += ms(60_000);
    let before = driver.log.len();
    driver.input(Input::Shutdown).expect("accepted");
    assert_eq!(driver.log.len() - before, MOST_ACTIONS);
}

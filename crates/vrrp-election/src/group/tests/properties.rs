//! What holds for every history: time in generated steps, inputs to any member in any order, reports true and false.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use locum_vrrp_wire::{AdvertInterval, Priority};
use proptest::prelude::*;

use super::super::SyncGroup;
use crate::config::{Config, Preempt};
use crate::election::tests::support::{OURS, advert_every, delayed, epoch, ms, v2, v3};
use crate::interface::{Action, Effect, HoldId, Input, Link, State, Tracking};

#[derive(Debug, Clone)]
enum Step {
    Pass(Duration),
    /// On to the deadline, or as much later.
    Deadline(Duration),
    Input(usize, Input),
    /// A report about the hold of now.
    Report(usize, Report),
    Shutdown,
    Startup,
    Adopt(Duration),
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
    prop_oneof![3 => Just(v3(100)), 1 => Just(v3(1)), 1 => Just(v3(4095)), 1 => Just(v2(1))]
}

fn inputs() -> impl Strategy<Value = Input> {
    let priority = prop_oneof![Just(0_u8), Just(100), Just(150), Just(200), any::<u8>()];
    let advert = (1_u8..9, priority, intervals()).prop_map(|(host, priority, interval)| {
        advert_every(
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)),
            priority,
            interval,
        )
    });
    prop_oneof![
        2 => Just(Input::Startup),
        1 => Just(Input::Shutdown),
        2 => any::<u8>().prop_map(|priority| Input::SetPriority(Priority::new(priority))),
        16 => advert,
        4 => Just(Input::Link(Link::Up)),
        1 => Just(Input::Link(Link::Down)),
        2 => Just(Input::Source(Some(OURS))),
        1 => Just(Input::Source(None)),
        1 => Just(Input::Tracking(Tracking::Failed)),
        4 => Just(Input::Tracking(Tracking::Recovered)),
        2 => Just(Input::Effect(Effect::NotSent)),
        2 => Just(Input::Timeout),
        1 => durations().prop_map(|age| Input::Adopt { age }),
        2 => configs().prop_map(Input::Reconfigure),
        1 => prop::option::of(durations()).prop_map(|time| Input::StandBy { time }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let late = prop_oneof![6 => Just(Duration::ZERO), 1 => durations()];
    let report =
        prop_oneof![6 => Just(Report::Held), 1 => Just(Report::Failed), 1 => Just(Report::Lapsed)];
    let step = prop_oneof![
        2 => durations().prop_map(Step::Pass),
        8 => late.prop_map(Step::Deadline),
        8 => (0_usize..3, inputs()).prop_map(|(member, input)| Step::Input(member, input)),
        3 => (0_usize..3, report).prop_map(|(member, report)| Step::Report(member, report)),
        1 => Just(Step::Startup),
        1 => durations().prop_map(Step::Adopt),
        1 => Just(Step::Shutdown),
    ];
    prop::collection::vec(step, 0..120)
}

fn configs() -> impl Strategy<Value = Config> {
    let preempt = prop_oneof![
        3 => Just(delayed(Duration::ZERO)),
        1 => durations().prop_map(delayed),
        1 => Just(Preempt::Forbid),
    ];
    let delay = prop_oneof![3 => Just(Duration::ZERO), 1 => durations()];
    (intervals(), 1_u8..255, 0_u16..2000, preempt, delay).prop_map(
        |(interval, priority, addresses, preempt, delay)| {
            Config::new(interval, Priority::new(priority))
                .expect("not zero")
                .addresses(addresses)
                .preempt(preempt)
                .startup_delay(delay)
        },
    )
}

fn groups() -> impl Strategy<Value = SyncGroup> {
    prop::collection::vec(configs(), 2..4)
        .prop_map(|configs| SyncGroup::new(configs).expect("no owner"))
}

/// Drives a group, and knows what its actions amount to.
struct Driver {
    group: SyncGroup,
    now: Instant,
    members: Vec<Member>,
    /// Since when some but not all are Master.
    half: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    holding: Option<HoldId>,
    state: State,
}

impl Driver {
    /// Started, with links and source addresses.
    fn new(group: SyncGroup) -> Result<Self, TestCaseError> {
        let member = Member {
            holding: None,
            state: State::Initialize,
        };
        let mut driver = Self {
            members: vec![member; group.members().len()],
            group,
            now: epoch(),
            half: None,
        };
        for member in 0..driver.members.len() {
            driver.input(member, Input::Link(Link::Up))?;
            driver.input(member, Input::Source(Some(OURS)))?;
        }
        driver.step(&Step::Startup)?;
        Ok(driver)
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let place = |member: usize| member % self.members.len();
        match *step {
            Step::Pass(time) => {
                self.now += time;
                Ok(())
            }
            Step::Deadline(late) => match self.group.poll_timeout() {
                Some(deadline) => {
                    self.now = self.now.max(deadline.at) + late;
                    self.group.handle_timeout(self.now);
                    let next = self.group.poll_timeout();
                    prop_assert!(next.is_none_or(|deadline| deadline.at > self.now));
                    self.settle()
                }
                None => Ok(()),
            },
            Step::Input(member, input) => self.input(place(member), input),
            Step::Report(member, report) => {
                let member = place(member);
                let Some(id) = self.members[member].holding else {
                    return Ok(());
                };
                let effect = match report {
                    Report::Held => Effect::Held(id),
                    Report::Failed => Effect::HoldFailed(id),
                    Report::Lapsed => Effect::HoldLapsed(id),
                };
                self.input(member, Input::Effect(effect))
            }
            Step::Shutdown => {
                self.group.shutdown(self.now);
                self.settle()
            }
            Step::Adopt(age) => {
                self.group.adopt(self.now, vec![age; self.members.len()]);
                self.settle()
            }
            Step::Startup => {
                self.group.startup(self.now);
                self.settle()
            }
        }
    }

    fn input(&mut self, member: usize, input: Input) -> Result<(), TestCaseError> {
        // What is refused is refused.
        let _refused = self.group.handle(self.now, member, input);
        self.settle()
    }

    fn settle(&mut self) -> Result<(), TestCaseError> {
        while let Some((member, action)) = self.group.poll_action() {
            self.carry_out(member, action)?;
        }
        for (member, election) in self.members.iter().zip(self.group.members()) {
            prop_assert_eq!(member.state, election.state());
            let holds = election.holds().map(|(id, _)| id);
            prop_assert_eq!(member.holding, holds);
        }
        self.all_or_none()
    }

    fn carry_out(&mut self, place: usize, action: Action) -> Result<(), TestCaseError> {
        let now = self.now;
        let member = &mut self.members[place];
        match action {
            Action::Advertise(_) => {}
            Action::Hold { id, until } => {
                prop_assert!(until.is_none_or(|until| until > now));
                member.holding = Some(id);
            }
            Action::Release => {
                prop_assert!(member.holding.take().is_some(), "nothing to release");
            }
            Action::Announce => prop_assert!(member.holding.is_some()),
            Action::Transition(transition) => {
                prop_assert_eq!(transition.from, member.state);
                member.state = transition.to;
            }
        }
        Ok(())
    }

    /// No member is Master while another is not, but for those that are adding their addresses.
    fn all_or_none(&mut self) -> Result<(), TestCaseError> {
        let is_up = |member: &&Member| matches!(member.state, State::Preempting | State::Master);
        let up = self.members.iter().filter(is_up).count();
        prop_assert!([0, self.members.len()].contains(&up), "{:?}", self.members);
        let is_master = |member: &&Member| member.state == State::Master;
        let masters = self.members.iter().filter(is_master).count();
        let is_half = masters > 0 && masters < self.members.len();
        self.half = is_half.then(|| self.half.unwrap_or(self.now));
        // A deadline served in time ends it.
        if let Some(since) = self.half
            && let Some(next) = self.group.poll_timeout()
        {
            prop_assert!(next.at <= since.max(self.now) + SyncGroup::HALF);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let over = |member: &Member| member.state == State::Initialize && member.holding.is_none();
        self.members.iter().all(over) && self.group.poll_timeout().is_none()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_history_is_all_or_none(group in groups(), steps in steps()) {
        let mut driver = Driver::new(group)?;
        for step in &steps {
            driver.step(step)?;
        }
        // Told to stop twice, it lets go at once and for good.
        driver.step(&Step::Shutdown)?;
        driver.step(&Step::Shutdown)?;
        prop_assert!(driver.is_over(), "{:?}", driver.members);
    }

    #[test]
    fn a_stopped_group_ends_by_its_deadlines_alone(group in groups(), steps in steps()) {
        let mut driver = Driver::new(group)?;
        for step in &steps {
            driver.step(step)?;
        }
        driver.step(&Step::Shutdown)?;
        let stopped = driver.now;
        for _ in 0..60 {
            driver.step(&Step::Deadline(Duration::ZERO))?;
        }
        prop_assert!(driver.is_over(), "{:?}", driver.members);
        // 5 s at most; an overlap with a successor of 2000 addresses lasts for 1.05 s.
        prop_assert!(driver.now - stopped <= ms(6050), "{:?}", driver.now - stopped);
    }

    #[test]
    fn after_a_quiet_time_a_sound_group_is_master(group in groups(), steps in steps()) {
        let mut driver = Driver::new(group)?;
        for step in &steps {
            driver.step(step)?;
        }
        for member in 0..driver.members.len() {
            for input in [Input::Link(Link::Up), Input::Source(Some(OURS)), Input::Tracking(Tracking::Recovered)] {
                driver.input(member, input)?;
            }
        }
        driver.step(&Step::Startup)?;
        for _ in 0..2000 {
            for member in 0..driver.members.len() {
                driver.step(&Step::Report(member, Report::Held))?;
            }
            if driver.group.state() == State::Master {
                return Ok(());
            }
            driver.step(&Step::Deadline(Duration::ZERO))?;
        }
        prop_assert!(false, "{:?}", driver.members);
    }
}

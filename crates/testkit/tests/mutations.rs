//! Each invariant can fail: an election with a defect, made here and nowhere else, is caught by it within some seeds.
//! Beside each defect stands the invariant that is alone looked at.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it cannot go on"
)]

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use locum_vrrp_election::transcript::Parameters;
use locum_vrrp_election::{
    Action, Advert, Config, Effect, Election, HoldId, Input, Preempt, Rejected, State,
};
use locum_vrrp_wire::Priority;
use testkit::sim::{Checks, Invariant, Limits, Subject, sweep};

/// What a defect changes. Everything that is not overridden is right.
trait Defect: Default {
    fn config(config: Config) -> Config {
        config
    }

    fn input(&mut self, _now: Instant, input: Input, _election: &Election) -> Option<Input> {
        Some(input)
    }

    fn action(&mut self, action: Action, _election: &Election) -> Option<Action> {
        Some(action)
    }

    fn after(&mut self, _now: Instant, _input: Input, _election: &mut Election) {}
}

struct Mutant<D> {
    election: Election,
    defect: D,
}

impl<D: Defect> Subject for Mutant<D> {
    fn new(configs: &[Config]) -> Self {
        let configs: Vec<Config> = configs.iter().copied().map(D::config).collect();
        Self {
            election: <Election as Subject>::new(&configs),
            defect: D::default(),
        }
    }

    fn handle(&mut self, now: Instant, _member: usize, input: Input) -> Result<(), Rejected> {
        let Some(changed) = self.defect.input(now, input, &self.election) else {
            return Ok(());
        };
        let result = self.election.handle(now, changed);
        self.defect.after(now, input, &mut self.election);
        result
    }

    fn poll_action(&mut self) -> Option<(usize, Action)> {
        loop {
            let action = self.election.poll_action()?;
            if let Some(action) = self.defect.action(action, &self.election) {
                return Some((0, action));
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.election.poll_timeout().map(|deadline| deadline.at)
    }

    fn election(&self, _member: usize) -> &Election {
        &self.election
    }
}

/// Fails unless `invariant` breaks within `seeds` seeds of an election with the defect `D`, and in none of them
/// without.
fn is_caught<D: Defect>(invariant: Invariant, seeds: u64) {
    let checks = Checks::only(invariant);
    let limits = Limits::default();
    let caught = sweep::<Mutant<D>>(0..seeds, limits, checks, 1, |sum| {
        if sum.failures.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let Some((seed, violation)) = caught.failures.first() else {
        panic!("{invariant} did not break in {seeds} seeds");
    };
    assert_eq!(violation.invariant, invariant);
    let healthy = sweep::<Election>(*seed..*seed + 1, limits, checks, 1, |_| {
        ControlFlow::Continue(())
    });
    assert!(
        healthy.failures.is_empty(),
        "seed {seed} without the defect"
    );
}

/// Lets go of nothing.
#[derive(Default)]
struct NeverReleases;

impl Defect for NeverReleases {
    fn action(&mut self, action: Action, _election: &Election) -> Option<Action> {
        (action != Action::Release).then_some(action)
    }
}

#[test]
fn addresses_that_are_never_released_are_not_held_by_right() {
    is_caught::<NeverReleases>(Invariant::HeldByRight, 20);
}

/// Holds for an hour at a time.
#[derive(Default)]
struct LongLeases;

impl Defect for LongLeases {
    fn action(&mut self, action: Action, _election: &Election) -> Option<Action> {
        let hour = Duration::from_secs(3600);
        Some(match action {
            Action::Hold { id, until } => Action::Hold {
                id,
                until: until.map(|until| until + hour),
            },
            other @ (Action::Advertise(_)
            | Action::Release
            | Action::Announce
            | Action::Transition(_)) => other,
        })
    }
}

#[test]
fn a_lease_longer_than_configured_is_not_held_by_right() {
    is_caught::<LongLeases>(Invariant::HeldByRight, 20);
}

#[test]
fn after_a_crash_a_long_lease_makes_a_second_owner_that_stays() {
    is_caught::<LongLeases>(Invariant::SecondOwner, 100);
}

/// Asks for its addresses once.
#[derive(Default)]
struct NeverRenews(Option<HoldId>);

impl Defect for NeverRenews {
    fn action(&mut self, action: Action, _election: &Election) -> Option<Action> {
        if let Action::Hold { id, .. } = action
            && self.0.replace(id) == Some(id)
        {
            return None;
        }
        Some(action)
    }

    /// Or it would see that nothing is confirmed.
    fn after(&mut self, now: Instant, _input: Input, election: &mut Election) {
        if let Some((id, _)) = election.holds()
            && election.state() == State::Master
        {
            let _ = election.handle(now, Input::Effect(Effect::Held(id)));
        }
    }
}

#[test]
fn a_master_that_never_renews_its_lease_loses_its_addresses() {
    is_caught::<NeverRenews>(Invariant::MasterOwns, 20);
}

/// Says that it is Master once.
#[derive(Default)]
struct FallsSilent(bool);

impl Defect for FallsSilent {
    fn action(&mut self, action: Action, election: &Election) -> Option<Action> {
        let again = std::mem::replace(&mut self.0, election.state() == State::Master);
        (!(again && matches!(action, Action::Advertise(_)))).then_some(action)
    }
}

#[test]
fn a_master_that_falls_silent_is_noticed() {
    is_caught::<FallsSilent>(Invariant::NoSilentMaster, 20);
}

/// Does not mind that nothing can be sent.
#[derive(Default)]
struct IgnoresFailedSends;

impl Defect for IgnoresFailedSends {
    fn input(&mut self, _now: Instant, input: Input, _election: &Election) -> Option<Input> {
        (input != Input::Effect(Effect::NotSent)).then_some(input)
    }
}

#[test]
fn a_master_that_nobody_can_hear_does_not_stay_master() {
    is_caught::<IgnoresFailedSends>(Invariant::NoSilentMaster, 500);
}

/// Does not step back.
#[derive(Default)]
struct StandsItsGround;

impl Defect for StandsItsGround {
    fn input(&mut self, _now: Instant, input: Input, election: &Election) -> Option<Input> {
        let deaf = matches!(input, Input::Advertisement(_)) && election.state() == State::Master;
        (!deaf).then_some(input)
    }
}

#[test]
fn masters_that_do_not_step_back_stay_two() {
    is_caught::<StandsItsGround>(Invariant::OneMaster, 50);
}

/// Takes any Master for a better one.
#[derive(Default)]
struct Modest;

impl Defect for Modest {
    fn input(&mut self, _now: Instant, input: Input, election: &Election) -> Option<Input> {
        let Input::Advertisement(advert) = input else {
            return Some(input);
        };
        if election.state() != State::Backup || advert.priority.is_stop() {
            return Some(input);
        }
        let priority = advert.priority.max(election.priority());
        Some(Input::Advertisement(Advert { priority, ..advert }))
    }
}

#[test]
fn a_lesser_master_that_nobody_preempts_is_not_the_best() {
    is_caught::<Modest>(Invariant::BestMaster, 50);
}

/// Announces itself when it becomes Master and never again.
#[derive(Default)]
struct AnnouncesOnce(bool);

impl Defect for AnnouncesOnce {
    fn action(&mut self, action: Action, _election: &Election) -> Option<Action> {
        match action {
            Action::Announce => (!std::mem::replace(&mut self.0, true)).then_some(action),
            Action::Release => {
                self.0 = false;
                Some(action)
            }
            Action::Advertise(_) | Action::Hold { .. } | Action::Transition(_) => Some(action),
        }
    }
}

#[test]
fn a_rival_that_announced_itself_last_keeps_the_clients() {
    is_caught::<AnnouncesOnce>(Invariant::LastAnnouncement, 500);
}

/// Is told to stop twice, and so does not wait for its successor.
#[derive(Default)]
struct StopsAtOnce;

impl Defect for StopsAtOnce {
    fn after(&mut self, now: Instant, input: Input, election: &mut Election) {
        if input == Input::Shutdown {
            let _ = election.handle(now, Input::Shutdown);
        }
    }
}

#[test]
fn a_master_that_stops_at_once_leaves_a_gap() {
    is_caught::<StopsAtOnce>(Invariant::NoGap, 50);
}

/// Goes on answering after it has stepped back.
#[derive(Default)]
struct LingersOn;

impl Defect for LingersOn {
    fn action(&mut self, action: Action, election: &Election) -> Option<Action> {
        (!(action == Action::Release && election.state() == State::Backup)).then_some(action)
    }
}

#[test]
fn a_former_master_that_lingers_on_is_a_second_owner() {
    is_caught::<LingersOn>(Invariant::SecondOwner, 100);
}

/// Preempts though it must not.
#[derive(Default)]
struct Eager;

impl Defect for Eager {
    fn config(config: Config) -> Config {
        let mut parameters = Parameters::from(&config);
        parameters.preempt = Preempt::Allow {
            delay: Duration::ZERO,
        };
        Config::try_from(&parameters).expect("as valid as before")
    }
}

#[test]
fn whoever_preempts_though_it_must_not_changes_the_master_without_a_cause() {
    is_caught::<Eager>(Invariant::UnforcedChange, 200);
}

/// Has a higher priority than it is configured with.
#[derive(Default)]
struct Presumptuous;

impl Defect for Presumptuous {
    fn config(config: Config) -> Config {
        let mut parameters = Parameters::from(&config);
        if !parameters.priority.is_owner() {
            parameters.priority = Priority::new(255 - parameters.priority.get()).max(Priority::MIN);
        }
        Config::try_from(&parameters).expect("as valid as before")
    }
}

#[test]
fn the_worst_that_takes_itself_for_the_best_is_not() {
    is_caught::<Presumptuous>(Invariant::BestMaster, 20);
}

/// Takes the place of its predecessor however long ago that died.
#[derive(Default)]
struct AdoptsLate;

impl Defect for AdoptsLate {
    fn input(&mut self, _now: Instant, input: Input, _election: &Election) -> Option<Input> {
        let age = Duration::ZERO;
        let adopts = matches!(input, Input::Adopt { .. });
        Some(if adopts { Input::Adopt { age } } else { input })
    }
}

#[test]
fn whoever_adopts_too_late_takes_mastership_from_the_successor() {
    is_caught::<AdoptsLate>(Invariant::AdoptsInTime, 200);
}

/// Hands over when it is told to stand by, and then forgets it.
#[derive(Default)]
struct Bounces;

impl Defect for Bounces {
    fn after(&mut self, now: Instant, input: Input, election: &mut Election) {
        if matches!(input, Input::StandBy { .. }) {
            let time = Some(Duration::ZERO);
            let _ = election.handle(now, Input::StandBy { time });
        }
    }
}

#[test]
fn whoever_bounces_does_not_stand_by() {
    is_caught::<Bounces>(Invariant::StandsBy, 200);
}

/// Is told of another configuration and goes on with the old one.
#[derive(Default)]
struct Stubborn;

impl Defect for Stubborn {
    fn input(&mut self, _now: Instant, input: Input, _election: &Election) -> Option<Input> {
        (!matches!(input, Input::Reconfigure(_))).then_some(input)
    }
}

#[test]
fn a_master_that_keeps_its_longer_interval_is_too_silent() {
    is_caught::<Stubborn>(Invariant::NoSilentMaster, 500);
}

/// Takes another priority in for later.
#[derive(Default)]
struct KeepsItsPriority;

impl Defect for KeepsItsPriority {
    fn input(&mut self, _now: Instant, input: Input, election: &Election) -> Option<Input> {
        let Input::Reconfigure(config) = input else {
            return Some(input);
        };
        let mut parameters = Parameters::from(&config);
        parameters.priority = election.config().priority();
        let config = Config::try_from(&parameters).expect("as valid as before");
        Some(Input::Reconfigure(config))
    }
}

#[test]
fn whoever_keeps_its_priority_is_not_the_best() {
    is_caught::<KeepsItsPriority>(Invariant::BestMaster, 500);
}

//! Every state × every class of input: the next state and the exact actions, with the rule they come from.
//!
//! `rows` matches on both enumerations without a wildcard, so a pair that is missing does not compile; the test below
//! goes through all of them, so one that is wrong fails.

mod rows;

use core::time::Duration;

use locum_vrrp_wire::Priority;

use self::rows::row;
use super::support::{ABOVE, BELOW, OURS, Router, advert_every, delayed, ms, v2, v3};
use crate::config::Config;
use crate::interface::{Effect, HoldId, Input, Link, State, Timer, Tracking};

/// An enumeration and the list of all its values.
macro_rules! exhaustive {
    ($(#[$doc:meta])* enum $name:ident { $($value:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($value),+ }

        impl $name {
            const ALL: &[Self] = &[$(Self::$value),+];
        }
    };
}

exhaustive! {
    /// Whatever can happen, as far as the table tells it apart.
    enum Class {
        Startup, Adopt, Shutdown, StandBy, AnnounceAgain, Reconfigured, OtherVersion,
        PriorityRaised, PriorityLowered, PriorityStop, PriorityOwner,
        AdvertStop, AdvertLower, AdvertEqualBelow, AdvertEqualAbove, AdvertHigher,
        AdvertOwnAddress, AdvertOtherVersion, AdvertV2OtherInterval,
        LinkUp, LinkDown, SourceSome, SourceNone, TrackingFailed, TrackingRecovered,
        Held, HoldFailed, HoldLapsed, StaleHeld, StaleHoldFailed, StaleHoldLapsed, NotSent,
        MasterDown, PreemptDelay, Linger, Acquire, Advertise, Announce, Renew, Leave, Retry,
    }
}

const STATES: [State; 6] = [
    State::Initialize,
    State::Fault,
    State::Backup,
    State::Preempting,
    State::Master,
    State::Leaving,
];

/// What one pair must lead to.
pub(super) struct Row {
    rule: &'static str,
    next: State,
    actions: &'static str,
}

enum Event {
    Input(Input),
    Timer(Timer),
}

/// The router's priority is 150, and its interval the shortest that keeps its timers apart.
fn table_config(state: State, class: Class) -> Config {
    if class == Class::AdvertV2OtherInterval {
        return Config::new(v2(2), Priority::new(150)).expect("a priority");
    }
    let config = Config::new(v3(70), Priority::new(150)).expect("a priority");
    if (state, class) == (State::Backup, Class::PreemptDelay) {
        return config.preempt(delayed(ms(100)));
    }
    config
}

/// A router in `state`, and on the way there whatever makes the timer of `class` run in it.
fn router(state: State, class: Class) -> Router {
    let config = table_config(state, class);
    let interval = config.interval();
    let hears = |router: &mut Router, source, priority| {
        router.does(advert_every(source, priority, interval));
    };
    let mut router = Router::ready(config);
    match state {
        State::Initialize => {}
        State::Fault if class == Class::Retry => {
            router = Router::master(config);
            router.hold_failed();
            router.until(Timer::Leave);
            router.timeout();
        }
        State::Fault => {
            router.does(Input::Startup);
            router.does(Input::Link(Link::Down));
        }
        State::Backup => {
            router.does(Input::Startup);
            let held = [Class::Held, Class::HoldFailed, Class::HoldLapsed];
            if class == Class::Linger || held.contains(&class) {
                router = Router::master(config);
                hears(&mut router, ABOVE, 200);
            } else if class == Class::PreemptDelay {
                hears(&mut router, BELOW, 100);
            } else {
                hears(&mut router, ABOVE, 200);
            }
        }
        State::Preempting => {
            router.does(Input::Startup);
            router.pass(ms(1000));
            hears(&mut router, BELOW, 100);
            router.until(Timer::MasterDown);
            router.timeout();
        }
        State::Master | State::Leaving => {
            router = Router::master(config);
            if state == State::Leaving {
                router.does(Input::Shutdown);
            }
        }
    }
    assert_eq!(router.state(), state, "the table's own set-up");
    router
}

fn event(router: &Router, class: Class) -> Event {
    let interval = router.election.config().interval();
    let id = router.election.holds().map_or(HoldId(99), |(id, _)| id);
    let hears = |source, priority| Event::Input(advert_every(source, priority, interval));
    let effect = |effect| Event::Input(Input::Effect(effect));
    let priority = |value| Event::Input(Input::SetPriority(Priority::new(value)));
    match class {
        Class::Startup => Event::Input(Input::Startup),
        Class::Adopt => Event::Input(Input::Adopt { age: ms(100) }),
        Class::Shutdown => Event::Input(Input::Shutdown),
        Class::StandBy => Event::Input(Input::StandBy { time: None }),
        Class::AnnounceAgain => Event::Input(Input::Announce),
        Class::Reconfigured => {
            let config = Config::new(interval, Priority::new(140));
            Event::Input(Input::Reconfigure(config.expect("a priority")))
        }
        Class::OtherVersion => {
            let config = Config::new(v2(1), Priority::new(150));
            Event::Input(Input::Reconfigure(config.expect("a priority")))
        }
        Class::PriorityRaised => priority(160),
        Class::PriorityLowered => priority(140),
        Class::PriorityStop => priority(0),
        Class::PriorityOwner => priority(255),
        Class::AdvertStop => hears(ABOVE, 0),
        Class::AdvertLower => hears(BELOW, 100),
        Class::AdvertEqualBelow => hears(BELOW, 150),
        Class::AdvertEqualAbove => hears(ABOVE, 150),
        Class::AdvertHigher => hears(ABOVE, 200),
        Class::AdvertOwnAddress => hears(OURS, 200),
        Class::AdvertOtherVersion => Event::Input(advert_every(ABOVE, 200, v2(1))),
        Class::AdvertV2OtherInterval => Event::Input(advert_every(ABOVE, 200, v2(3))),
        Class::LinkUp => Event::Input(Input::Link(Link::Up)),
        Class::LinkDown => Event::Input(Input::Link(Link::Down)),
        Class::SourceSome => Event::Input(Input::Source(Some(OURS))),
        Class::SourceNone => Event::Input(Input::Source(None)),
        Class::TrackingFailed => Event::Input(Input::Tracking(Tracking::Failed)),
        Class::TrackingRecovered => Event::Input(Input::Tracking(Tracking::Recovered)),
        Class::Held => effect(Effect::Held(id)),
        Class::HoldFailed => effect(Effect::HoldFailed(id)),
        Class::HoldLapsed => effect(Effect::HoldLapsed(id)),
        Class::StaleHeld => effect(Effect::Held(HoldId(0))),
        Class::StaleHoldFailed => effect(Effect::HoldFailed(HoldId(0))),
        Class::StaleHoldLapsed => effect(Effect::HoldLapsed(HoldId(0))),
        Class::NotSent => effect(Effect::NotSent),
        Class::MasterDown => Event::Timer(Timer::MasterDown),
        Class::PreemptDelay => Event::Timer(Timer::PreemptDelay),
        Class::Linger => Event::Timer(Timer::Linger),
        Class::Acquire => Event::Timer(Timer::Acquire),
        Class::Advertise => Event::Timer(Timer::Advertise),
        Class::Announce => Event::Timer(Timer::Announce),
        Class::Renew => Event::Timer(Timer::Renew),
        Class::Leave => Event::Timer(Timer::Leave),
        Class::Retry => Event::Timer(Timer::Retry),
    }
}

/// What the machine does; `never` if that timer cannot be the next one in that state.
fn outcome(state: State, class: Class) -> (State, String) {
    let mut router = router(state, class);
    let input = match event(&router, class) {
        Event::Input(input) => input,
        Event::Timer(timer) => {
            if router.due_in(timer).is_none() || (state, timer) == (State::Preempting, Timer::Renew)
            {
                return (state, "never".to_owned());
            }
            router.until(timer);
            Input::Timeout
        }
    };
    if let Err(rejected) = router.clone().tries(input) {
        let rejected = format!("{rejected:?}");
        let word = rejected.split(' ').next().unwrap_or_default();
        return (state, format!("rejected: {word}"));
    }
    let text = router.says(input);
    (router.state(), text)
}

#[test]
fn every_pair_of_state_and_input_leads_where_the_table_says() {
    let mut wrong = Vec::new();
    for &state in &STATES {
        for &class in Class::ALL {
            let Row {
                rule,
                next,
                actions,
            } = row(state, class);
            assert!(!rule.is_empty(), "({state:?}, {class:?}) names no rule");
            let (real, text) = outcome(state, class);
            if (real, text.as_str()) != (next, actions) {
                wrong.push(format!(
                    "({state:?}, {class:?}), {rule}:\n  expected {next:?}: {actions}\n  found    {real:?}: {text}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_state() {
    for (index, state) in STATES.into_iter().enumerate() {
        let place = match state {
            State::Initialize => 0,
            State::Fault => 1,
            State::Backup => 2,
            State::Preempting => 3,
            State::Master => 4,
            State::Leaving => 5,
        };
        assert_eq!(index, place);
    }
}

#[test]
fn a_preemptor_cannot_wait_for_its_renewal() {
    // Why the table calls (Preempting, Renew) impossible: it lasts for 20 ms, and a renewal comes after a second.
    let router = router(State::Preempting, Class::Renew);
    assert_eq!(router.due_in(Timer::Acquire), Some(ms(20)));
    assert_eq!(router.due_in(Timer::Renew), Some(Duration::from_secs(1)));
}

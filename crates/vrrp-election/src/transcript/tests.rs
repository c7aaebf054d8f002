use std::sync::OnceLock;

use locum_vrrp_wire::{AdvertInterval, Priority};

use super::*;
use crate::config::{AnnounceSchedule, Config, LeasePolicy, Preempt};
use crate::interface::{HoldId, Reason};

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "the zero of simulated time")]
    *EPOCH.get_or_init(Instant::now)
}

fn event(input: Input, result: Result<(), Rejected>, actions: &[Action]) -> String {
    let at = epoch() + Duration::from_millis(3414);
    let line = EventLine {
        epoch: epoch(),
        at,
        router: "web",
        input,
        result,
        actions,
    };
    line.to_string()
}

#[test]
fn every_input_is_read_as_it_was_written() {
    let id = HoldId(7);
    let address = "2001:db8::2".parse().unwrap();
    let advert = Advert {
        source: address,
        priority: Priority::new(0),
        interval: AdvertInterval::v3(4095).unwrap(),
    };
    let inputs = [
        Input::Startup,
        Input::Shutdown,
        Input::SetPriority(Priority::new(90)),
        Input::Advertisement(advert),
        Input::Link(Link::Up),
        Input::Link(Link::Down),
        Input::Source(Some(address)),
        Input::Source(None),
        Input::Tracking(Tracking::Failed),
        Input::Tracking(Tracking::Recovered),
        Input::Effect(Effect::Held(id)),
        Input::Effect(Effect::HoldFailed(id)),
        Input::Effect(Effect::HoldLapsed(id)),
        Input::Effect(Effect::NotSent),
        Input::Timeout,
        Input::Announce,
        Input::Adopt {
            age: Duration::from_millis(800),
        },
        Input::StandBy { time: None },
        Input::StandBy {
            time: Some(Duration::from_secs(3600)),
        },
        Input::Reconfigure(
            Config::new(AdvertInterval::v3(50).unwrap(), Priority::new(90))
                .unwrap()
                .addresses(3)
                .preempt(Preempt::Forbid),
        ),
    ];
    for expected in inputs {
        let text = event(expected, Ok(()), &[]);
        let line = Line::parse(&text).unwrap();
        let at = Duration::from_millis(3414);
        assert_eq!(
            line,
            Line::Event {
                at,
                router: "web",
                input: expected,
                outcome: "nothing"
            },
            "{text}"
        );
    }
}

#[test]
fn actions_are_written_in_order() {
    let transition = Transition {
        from: State::Backup,
        to: State::Master,
        reason: Reason::MasterSilent,
    };
    let hold = |until| Action::Hold {
        id: HoldId(1),
        until,
    };
    let actions = [
        Action::Advertise(Priority::new(150)),
        hold(Some(epoch() + Duration::from_secs(8))),
        hold(None),
        Action::Release,
        Action::Announce,
        Action::Transition(transition),
    ];
    assert_eq!(
        event(Input::Timeout, Ok(()), &actions),
        "3.414000000 web timeout -> advertise 150, hold 1 until 8.000000000, hold 1, release, announce, \
         backup>master MasterSilent"
    );
    assert_eq!(
        event(
            Input::Timeout,
            Err(Rejected::NotRunning),
            &[Action::Release]
        ),
        "3.414000000 web timeout -> refused: the router is not taking part in the election, release"
    );
}

#[test]
fn a_configuration_is_read_as_it_was_written() {
    let interval = AdvertInterval::v2(3).unwrap();
    let plain = Config::new(interval, Priority::new(255)).unwrap();
    let other = Config::new(AdvertInterval::v3(50).unwrap(), Priority::new(1)).unwrap();
    let other = other
        .addresses(200)
        .preempt(Preempt::Forbid)
        .startup_delay(Duration::from_millis(1500))
        .announce(AnnounceSchedule {
            again_after: None,
            refresh: None,
        })
        .lease(LeasePolicy::Fixed(Duration::from_secs(30)))
        .unwrap();
    for config in [plain, other] {
        let parameters = Parameters::from(&config);
        let text = RouterLine {
            name: "a b",
            parameters: parameters.clone(),
        };
        let text = text.to_string();
        let line = Line::parse(&text).unwrap();
        assert_eq!(
            line,
            Line::Router {
                name: "a_b",
                parameters: parameters.clone()
            }
        );
        assert_eq!(Config::try_from(&parameters).unwrap(), config);
    }
}

#[test]
fn what_is_no_transcript_is_refused() {
    assert_eq!(Line::parse(HEADER), Ok(Line::Header));
    assert_eq!(Line::parse("# a note"), Ok(Line::Note("a note")));
    let refused = [
        ("locum-transcript 2", ReadError::Header),
        ("nonsense", ReadError::Line),
        ("1.0 web timeout -> nothing", ReadError::Time),
        ("+1.000000000 web timeout -> nothing", ReadError::Time),
        ("1.000000000 web timeout", ReadError::Line),
        ("1.000000000 web explode -> nothing", ReadError::Input),
        ("1.000000000 web held -> nothing", ReadError::Input),
        ("1.000000000 web link up up -> nothing", ReadError::Input),
        (
            "router web version=4 interval=1",
            ReadError::Parameter("interval"),
        ),
    ];
    for (line, error) in refused {
        assert_eq!(Line::parse(line), Err(error), "{line}");
    }
}

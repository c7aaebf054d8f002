//! What is found, and what it amounts to.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::input::{Content, LinkState};
use super::plan::Watched;
use super::trackers::Trackers;
use super::*;
use crate::events::What;
use crate::programs::Outcome;

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn script(rise: u32, fall: u32, init: Option<Health>) -> Arc<TrackScript> {
    Arc::new(TrackScript {
        name: "chk".to_owned(),
        program: "/bin/true".into(),
        arguments: Vec::new(),
        user: None,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: count(rise),
        fall: count(fall),
        init,
    })
}

fn tracking(script: Arc<TrackScript>) -> Tracking {
    Tracking {
        scripts: vec![script],
        processes: vec![TrackProcess {
            name: "proxy".to_owned(),
            process: "haproxy".to_owned(),
            quorum: count(2),
        }],
        files: vec![TrackFile {
            name: "maint".to_owned(),
            path: "/run/maint".into(),
        }],
    }
}

fn tracked(subject: Subject, weight: i16, reverse: bool) -> Tracked {
    Tracked {
        subject,
        weight,
        reverse,
    }
}

fn interface() -> Subject {
    Subject::Interface("eth1".to_owned())
}

fn chk() -> Subject {
    Subject::Script("chk".to_owned())
}

fn maint() -> Subject {
    Subject::File("maint".to_owned())
}

fn plan_with(script: Arc<TrackScript>, base: u8, tracked: Vec<Tracked>) -> Plan {
    Plan {
        routers: BTreeMap::from([("web".to_owned(), Watched { base, tracked })]),
        tracking: tracking(script),
    }
}

fn plan(base: u8, tracked: Vec<Tracked>) -> Plan {
    plan_with(script(1, 1, None), base, tracked)
}

/// The trackers of one router, and their clock.
struct Scene {
    trackers: Trackers,
    now: Instant,
}

impl Scene {
    fn new(plan: Plan) -> Self {
        let now = crate::clock::now();
        let trackers = Trackers::new(now, plan);
        Self { trackers, now }
    }

    fn tell(&mut self, input: Input) {
        self.now += Duration::from_secs(1);
        self.trackers.handle(self.now, input);
    }

    fn link(&mut self, link: LinkState) {
        let name = "eth1".to_owned();
        self.tell(Input::Interface { name, link });
    }

    fn file(&mut self, content: Content) {
        let name = "maint".to_owned();
        self.tell(Input::File { name, content });
    }

    fn ran(&mut self, script: &Arc<TrackScript>, outcome: Outcome) {
        let script = Arc::clone(script);
        self.tell(Input::Script { script, outcome });
    }

    fn verdict(&self) -> (bool, u8) {
        let verdict = self.trackers.verdict("web").unwrap();
        (verdict.fault, verdict.priority)
    }

    fn told(&mut self) -> Vec<(bool, u8)> {
        std::iter::from_fn(|| self.trackers.poll_verdict())
            .map(|(router, verdict)| {
                assert_eq!(router, "web");
                (verdict.fault, verdict.priority)
            })
            .collect()
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.trackers.poll_event())
            .map(|what| {
                let What::Tracker {
                    tracker,
                    ok,
                    detail,
                } = what
                else {
                    panic!("{what:?}")
                };
                format!("{tracker}: {} ({detail})", if ok { "ok" } else { "bad" })
            })
            .collect()
    }
}

#[test]
fn weights_are_those_of_keepalived() {
    // Weight, reverse, what an interface that is up makes of 100, and one that is down.
    let table = [
        (0, false, (false, 100), (true, 100)),
        (0, true, (true, 100), (false, 100)),
        (20, false, (false, 120), (false, 100)),
        (20, true, (false, 100), (false, 120)),
        (-20, false, (false, 100), (false, 80)),
        (-20, true, (false, 80), (false, 100)),
        (253, false, (false, 254), (false, 100)),
        (-253, false, (false, 100), (false, 1)),
    ];
    for (weight, reverse, up, down) in table {
        let mut scene = Scene::new(plan(100, vec![tracked(interface(), weight, reverse)]));
        assert_eq!(
            scene.verdict(),
            (false, 100),
            "nothing known counts for nothing"
        );
        scene.link(LinkState::Up);
        assert_eq!(scene.verdict(), up, "{weight} {reverse}");
        for state in [LinkState::Down, LinkState::NoCarrier, LinkState::Missing] {
            scene.link(state);
            assert_eq!(scene.verdict(), down, "{weight} {reverse}");
        }
    }
}

#[test]
fn the_number_in_a_file_is_multiplied() {
    let table = [
        (0, false, 0, (false, 100)),
        (0, false, 7, (true, 100)),
        (0, true, 7, (false, 100)),
        (0, true, 0, (true, 100)),
        (1, false, -30, (false, 70)),
        (2, false, 10, (false, 120)),
        (2, true, 10, (false, 80)),
        (1, false, -253, (false, 1)),
        (1, false, -254, (true, 100)),
        (253, false, i64::MIN, (true, 100)),
        (-253, true, i64::MAX, (false, 254)),
    ];
    for (weight, reverse, number, expected) in table {
        let mut scene = Scene::new(plan(100, vec![tracked(maint(), weight, reverse)]));
        scene.file(Content::Number(number));
        assert_eq!(scene.verdict(), expected, "{weight} {reverse} {number}");
    }
}

#[test]
fn a_file_that_cannot_be_read_counts_as_it_did() {
    let mut scene = Scene::new(plan(100, vec![tracked(maint(), 1, false)]));
    let broken = || Content::Unreadable("\"on\" is not a number".to_owned());
    scene.file(broken());
    assert_eq!(scene.verdict(), (false, 100));
    scene.file(Content::Number(-5));
    scene.file(broken());
    assert_eq!(scene.verdict(), (false, 95));
    scene.file(Content::Missing);
    assert_eq!(scene.verdict(), (false, 100));
    assert_eq!(
        scene.events(),
        [
            "file maint: bad (\"on\" is not a number)",
            "file maint: bad (-5)",
            "file maint: bad (\"on\" is not a number; it was -5)",
            "file maint: ok (no file: 0)",
        ]
    );
}

#[test]
fn an_owner_keeps_its_priority_and_has_faults() {
    let all = vec![tracked(interface(), -20, false), tracked(maint(), 0, false)];
    let mut scene = Scene::new(plan(255, all));
    scene.link(LinkState::Down);
    scene.tell(Input::Priority {
        router: "web".to_owned(),
        priority: Some(7),
    });
    assert_eq!(scene.verdict(), (false, 255));
    scene.file(Content::Number(1));
    assert_eq!(scene.verdict(), (true, 255));
}

#[test]
fn weights_are_added_to_the_operators_priority() {
    let mut scene = Scene::new(plan(100, vec![tracked(interface(), -20, false)]));
    scene.link(LinkState::Down);
    let router = || "web".to_owned();
    scene.tell(Input::Priority {
        router: router(),
        priority: Some(200),
    });
    assert_eq!(scene.told(), [(false, 180)]);
    scene.tell(Input::Priority {
        router: router(),
        priority: None,
    });
    assert_eq!(scene.told(), [(false, 80)]);
    scene.tell(Input::Priority {
        router: "nobody".to_owned(),
        priority: Some(1),
    });
    assert_eq!(scene.told(), []);
}

#[test]
fn only_what_changed_is_told() {
    let mut scene = Scene::new(plan(100, vec![tracked(interface(), 0, false)]));
    assert_eq!(scene.told(), [], "what the configuration says");
    scene.link(LinkState::Up);
    assert_eq!(scene.told(), []);
    scene.link(LinkState::Down);
    scene.link(LinkState::Missing);
    assert_eq!(scene.told(), [(true, 100)]);
    scene.link(LinkState::Up);
    scene.link(LinkState::Down);
    assert_eq!(scene.told(), []);
    assert_eq!(
        scene.events(),
        [
            "interface eth1: bad (down)",
            "interface eth1: ok (up)",
            "interface eth1: bad (down)"
        ]
    );
}

#[test]
fn a_script_rises_and_falls() {
    let good = Outcome::Exited(0);
    let bad = Outcome::Exited(1);
    let late = Outcome::TimedOut;
    let none = || Outcome::Failed("no such file".to_owned());
    // Rise, fall, what is believed first, and what each result leads to: is it a fault?
    let table = [
        (2, 3, None, vec![(good.clone(), false)]),
        (
            2,
            3,
            None,
            vec![
                (bad.clone(), true),
                (good.clone(), true),
                (good.clone(), false),
            ],
        ),
        (
            1,
            3,
            Some(Health::Up),
            vec![
                (bad.clone(), false),
                (late.clone(), false),
                (good.clone(), false),
                (late, false),
                (none(), false),
                (Outcome::Killed, true),
                (good.clone(), false),
            ],
        ),
        (
            2,
            1,
            Some(Health::Down),
            vec![
                (good.clone(), true),
                (bad, true),
                (good.clone(), true),
                (good, false),
            ],
        ),
    ];
    for (rise, fall, init, results) in table {
        let script = script(rise, fall, init);
        let track = vec![tracked(chk(), 0, false)];
        let mut scene = Scene::new(plan_with(Arc::clone(&script), 100, track));
        assert_eq!(scene.verdict().0, init == Some(Health::Down));
        for (outcome, fault) in results {
            scene.ran(&script, outcome.clone());
            assert_eq!(
                scene.verdict().0,
                fault,
                "{rise} {fall} {init:?} {outcome:?}"
            );
        }
    }
}

#[test]
fn processes_and_services_have_their_quorum() {
    let all = vec![
        tracked(Subject::Process("proxy".to_owned()), -10, false),
        tracked(Subject::Service("site".to_owned()), 0, false),
    ];
    let mut scene = Scene::new(plan(100, all));
    let running = |running| Input::Process {
        name: "proxy".to_owned(),
        running,
    };
    let service = |health| Input::Service {
        name: "site".to_owned(),
        health,
    };
    scene.tell(running(1));
    scene.tell(service(Health::Down));
    assert_eq!(scene.told(), [(true, 90)]);
    scene.tell(running(2));
    scene.tell(service(Health::Up));
    assert_eq!(scene.told(), [(false, 100)]);
    let report = scene.trackers.report(scene.now + Duration::from_secs(2));
    let shown: Vec<_> = report
        .iter()
        .map(|one| (&*one.kind, &*one.name, one.ok, &*one.detail, one.since_ms))
        .collect();
    assert_eq!(
        shown,
        [
            ("process", "proxy", Some(true), "2 running, 2 wanted", 3000),
            ("service", "site", Some(true), "has its quorum", 2000),
        ]
    );
}

#[test]
fn a_reload_keeps_what_is_the_same() {
    let first = script(1, 1, None);
    let all = || vec![tracked(chk(), 0, false), tracked(interface(), -20, false)];
    let mut scene = Scene::new(plan_with(Arc::clone(&first), 100, all()));
    scene.ran(&first, Outcome::Exited(1));
    scene.link(LinkState::Down);
    assert_eq!(scene.told(), [(true, 80)]);
    let now = scene.now;

    // All the same: told again, since the other side has just been configured.
    let same = plan_with(script(1, 1, None), 100, all());
    scene.trackers.replace(now, same);
    assert_eq!(scene.told(), [(true, 80)]);

    // How often it must fail is no other script.
    let second = script(1, 5, None);
    scene
        .trackers
        .replace(now, plan_with(Arc::clone(&second), 150, all()));
    assert_eq!(scene.told(), [(true, 130)]);

    // Another program is.
    let mut other = TrackScript::clone(&second);
    other.program = "/bin/false".into();
    let other = Arc::new(other);
    scene
        .trackers
        .replace(now, plan_with(Arc::clone(&other), 150, all()));
    assert_eq!(scene.told(), [(false, 130)]);
    scene.ran(&second, Outcome::Exited(1));
    assert_eq!(scene.told(), [], "a result of what it was before");
    scene.ran(&other, Outcome::Exited(1));
    assert_eq!(scene.told(), [(true, 130)]);

    scene
        .trackers
        .replace(now, plan_with(other, 150, Vec::new()));
    assert_eq!(scene.told(), [(false, 150)]);
    assert_eq!(scene.trackers.report(now), []);
}

fn input() -> impl Strategy<Value = Input> {
    let links = prop::sample::select(vec![LinkState::Up, LinkState::Down, LinkState::Missing]);
    let content = prop_oneof![
        Just(Content::Missing),
        Just(Content::Unreadable("broken".to_owned())),
        any::<i64>().prop_map(Content::Number),
        (-300_i64..300).prop_map(Content::Number),
    ];
    let script = script(2, 2, None);
    prop_oneof![
        links.prop_map(|link| Input::Interface {
            name: "eth1".to_owned(),
            link
        }),
        content.prop_map(|content| Input::File {
            name: "maint".to_owned(),
            content
        }),
        (0..2).prop_map(move |code| Input::Script {
            script: Arc::clone(&script),
            outcome: Outcome::Exited(code),
        }),
        prop::option::of(1..=254_u8).prop_map(|priority| Input::Priority {
            router: "web".to_owned(),
            priority
        }),
        (0..4_u32).prop_map(|running| Input::Process {
            name: "proxy".to_owned(),
            running
        }),
    ]
}

fn uses() -> impl Strategy<Value = Vec<Tracked>> {
    let subjects = [
        interface(),
        maint(),
        chk(),
        Subject::Process("proxy".to_owned()),
    ];
    let one = (-253..=253_i16, any::<bool>(), any::<bool>());
    prop::collection::vec(one, 4).prop_map(move |all| {
        let all = subjects.iter().zip(all);
        all.map(|(subject, (weight, zero, reverse))| {
            tracked(subject.clone(), if zero { 0 } else { weight }, reverse)
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn what_was_told_is_what_is_true(
        base in 1..=255_u8,
        uses in uses(),
        inputs in prop::collection::vec((input(), any::<bool>()), 0..40),
    ) {
        let plan = || plan_with(script(2, 2, None), base, uses.clone());
        let mut scene = Scene::new(plan());
        let mut last = (false, base);
        for (input, reload) in inputs {
            scene.tell(input);
            let before = scene.verdict();
            if reload {
                let now = scene.now;
                scene.trackers.replace(now, plan());
                prop_assert_eq!(scene.verdict(), before);
            }
            if let [verdict] = scene.told()[..] {
                prop_assert!(reload || verdict != last);
                last = verdict;
            }
            prop_assert_eq!(scene.verdict(), last);
            prop_assert_eq!(last.1 == 255, base == 255);
            prop_assert!(last.1 >= 1);
            prop_assert_eq!(scene.told(), []);
        }
    }
}

//! What holds, and until when.

mod support;

use proptest::prelude::*;

use self::support::*;
use super::*;

#[test]
fn the_last_change_of_a_server_holds() {
    let mut scene = Scene::new();
    let cases = [
        ("drain web r1", "web/r1 Drain"),
        ("maintenance web r1", "web/r1 Maintenance"),
        ("weight web r1 10", "web/r1 Weight(10)"),
        ("weight web r1 0", "web/r1 Weight(0)"),
    ];
    for (line, holds) in cases {
        scene.make(line);
        assert_eq!(scene.holds(), [holds]);
    }
    assert_eq!(
        scene.make("ready web r1"),
        ["`weight web r1 0` is taken back"]
    );
    assert_eq!(scene.holds(), [""; 0]);
    assert_eq!(scene.make("ready web r1"), [""; 0], "it is so already");
    assert_eq!(
        scene.events(),
        [
            "drain web r1",
            "(drain web r1) taken back",
            "maintenance web r1",
            "(maintenance web r1) taken back",
            "weight web r1 10",
            "(weight web r1 10) taken back",
            "weight web r1 0",
            "(weight web r1 0) taken back",
            "ready web r1",
            "ready web r1",
        ]
    );
}

#[test]
fn what_changes_is_told_in_words() {
    let mut scene = Scene::new();
    let cases = [
        (
            "drain web r1",
            "server r1 of web drains, until that is taken back",
        ),
        (
            "maintenance web 192.0.2.22",
            "server r2 of web is out for maintenance, until that is taken back",
        ),
        (
            "ready web 192.0.2.23:80",
            "server r3 of web serves when its checks pass, though the configuration drains it, until that is taken back",
        ),
        (
            "weight web r1 3",
            "server r1 of web has weight 3, until that is taken back",
        ),
        (
            "priority web 90",
            "virtual router web has priority 90, until that is taken back",
        ),
        (
            "failover web",
            "virtual router web hands over and does not preempt, for 5m",
        ),
        (
            "failover inside",
            "sync group site hands over and does not preempt, for 5m",
        ),
    ];
    for (line, words) in cases {
        assert_eq!(scene.make(line), [words]);
    }
    assert_eq!(
        scene.make_for("drain web r1", 1800),
        ["server r1 of web drains, for 30m"]
    );
    assert_eq!(scene.make("reload"), [""; 0]);
}

#[test]
fn who_asked_and_why_is_written_down() {
    let mut scene = Scene::new();
    let request = Request::new(action("drain web 192.0.2.21"))
        .because("kernel update")
        .lapsing_after(Duration::from_secs(2));
    scene.ask(&request).unwrap();
    let changed = scene.overrides.poll_event().unwrap();
    let expected = What::Changed {
        action: "drain web r1".to_owned(),
        uid: Some(1000),
        reason: Some("kernel update".to_owned()),
        lapses_ms: Some(2000),
    };
    assert_eq!(changed, expected);
    scene.make("reload");
    assert_eq!(scene.events(), ["reload"]);
}

#[test]
fn a_server_that_the_configuration_drains_can_be_made_ready() {
    let mut scene = Scene::new();
    scene.make_for("ready web r3", 60);
    assert_eq!(scene.holds(), ["web/r3 Ready"]);
    scene.pass(60);
    assert_eq!(scene.holds(), [""; 0]);
}

#[test]
fn changes_lapse_in_their_order() {
    let mut scene = Scene::new();
    scene.make_for("weight web r2 5", 30);
    scene.make_for("drain web r1", 10);
    scene.make_for("priority web 90", 20);
    scene.make("failover site");
    scene.make("maintenance web r3");
    scene.events();
    let due = |scene: &Scene| scene.overrides.poll_timeout().map(|at| at - scene.now);
    assert_eq!(due(&scene), Some(Duration::from_secs(10)));
    scene.pass(9);
    assert_eq!(scene.events(), [""; 0]);
    scene.pass(1);
    assert_eq!(scene.events(), ["(drain web r1) lapsed"]);
    scene.pass(100);
    assert_eq!(
        scene.events(),
        ["(priority web 90) lapsed", "(weight web r2 5) lapsed"]
    );
    assert_eq!(
        scene.holds(),
        [
            "web/r3 Maintenance",
            "outside stands by 190s",
            "inside stands by 190s"
        ]
    );
    scene.pass(190);
    assert_eq!(scene.events(), ["(failover site) lapsed"]);
    assert_eq!(scene.holds(), ["web/r3 Maintenance"]);
    assert_eq!(due(&scene), None);
}

#[test]
fn a_change_made_again_lasts_as_it_says_last() {
    let mut scene = Scene::new();
    scene.make_for("drain web r1", 10);
    scene.pass(5);
    scene.make_for("drain web r1", 10);
    scene.pass(9);
    assert_eq!(scene.holds(), ["web/r1 Drain"]);
    scene.make("drain web r1");
    scene.pass(1000);
    assert_eq!(scene.holds(), ["web/r1 Drain"]);
}

#[test]
fn restore_takes_back_what_is_of_the_router() {
    let all = [
        "priority web 90",
        "priority outside 91",
        "priority inside 92",
        "failover web",
        "failover outside",
        "drain web r1",
    ];
    let cases: [(&str, &[&str]); 3] = [
        (
            "restore web",
            &["(failover web) taken back", "(priority web 90) taken back"],
        ),
        (
            "restore outside",
            &[
                "(failover site) taken back",
                "(priority outside 91) taken back",
            ],
        ),
        (
            "restore site",
            &[
                "(failover site) taken back",
                "(priority inside 92) taken back",
                "(priority outside 91) taken back",
            ],
        ),
    ];
    for (line, expected) in cases {
        let mut scene = Scene::new();
        for one in all {
            scene.make(one);
        }
        scene.events();
        assert_eq!(scene.make(line).len(), expected.len());
        let mut events = scene.events();
        assert_eq!(events.pop().as_deref(), Some(line));
        events.sort();
        assert_eq!(events, expected, "{line}");
    }
}

#[test]
fn a_refusal_names_the_place_and_the_cure() {
    let mut scene = Scene::new();
    let lines = [
        "drain wbe r1",
        "drain web r9",
        "drain web 192.0.2.99",
        "weight web backend 1",
        "weight web r1 2147483648",
        "priority wob 90",
        "priority site 90",
        "priority own 90",
        "priority web 255",
        "priority web 0",
        "failover sito",
        "failover own",
        "restore database",
    ];
    let refusals = lines.map(|line| format!("{line}: {}", scene.refusal(line)));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn lengths_have_bounds() {
    let mut scene = Scene::new();
    for (line, ms, words) in [
        ("drain web r1", 0, "at least a millisecond"),
        ("drain web r1", u64::MAX, "at most 1year"),
        ("ready web r1", 1, "nothing of `ready web r1` can lapse"),
        ("restore web", 1, "nothing of `restore web` can lapse"),
        ("reload", 1, "nothing of `reload` can lapse"),
    ] {
        let request = Request::new(action(line)).lapsing_after(Duration::from_millis(ms));
        let error = scene.ask(&request).unwrap_err();
        assert!(error.contains(words), "{line}: {error}");
    }
    assert_eq!(scene.events(), [""; 0]);
}

#[test]
fn a_reload_drops_what_is_about_nothing_any_more() {
    let mut scene = Scene::new();
    let all = [
        "drain web r1",
        "weight web r2 5",
        "priority web 90",
        "priority inside 80",
        "failover site",
        "failover web",
    ];
    for line in all {
        scene.make(line);
    }
    scene.events();
    scene.reload(&format!("{ROUTERS}{SERVICE}"));
    assert_eq!(scene.events(), [""; 0], "all is still there");
    assert_eq!(scene.holds().len(), 7);

    scene.reload(
        &format!("{ROUTERS}{SERVICE}")
            .replace("\"r1\"", "\"r9\"")
            .replace("vrid = 51\n", "vrid = 51\npriority = 255\n")
            .replace("\"site\"", "\"other\""),
    );
    assert_eq!(
        scene.events(),
        [
            "(priority web 90) taken back",
            "(drain web r1) taken back",
            "(failover site) taken back",
            "(failover web) taken back"
        ]
    );
    assert_eq!(scene.holds(), ["web/r2 Weight(5)", "inside 80"]);
}

#[test]
fn a_router_comes_before_a_sync_group_of_its_name() {
    let mut scene = Scene::new();
    scene.reload(&ROUTERS.replace("\"site\"", "\"web\""));
    scene.make("failover web");
    assert_eq!(scene.holds(), ["web stands by 300s"]);
    scene.make("restore web");
    scene.make("failover inside");
    assert_eq!(
        scene.holds(),
        ["outside stands by 300s", "inside stands by 300s"]
    );
}

#[test]
fn whoever_starts_again_is_told_the_same_again() {
    let mut scene = Scene::new();
    scene.make("drain web r1");
    scene.make("failover web");
    scene.pass(100);
    let told = scene.holds();
    assert_eq!(told, ["web/r1 Drain", "web stands by 200s"]);
    assert_eq!(scene.holds(), told, "as often as is asked");
}

#[test]
fn the_status_has_what_holds() {
    use crate::status::{Status, SyncGroupReport};
    let mut scene = Scene::new();
    let request = Request::new(action("failover inside")).because("update");
    scene.ask(&request).unwrap();
    scene.pass(60);
    let mut status = Status {
        schema: Status::SCHEMA,
        name: "lb-a".to_owned(),
        version: String::new(),
        pid: 1,
        uptime_ms: 0,
        routers: Vec::new(),
        sync_groups: vec![SyncGroupReport {
            name: "site".to_owned(),
            members: Vec::new(),
            state: crate::status::StateName::Backup,
            state_for_ms: 0,
            held_back_by: Vec::new(),
            changed: Vec::new(),
        }],
        processes: Vec::new(),
        notifications: BTreeMap::new(),
        site: None,
        trackers: Vec::new(),
    };
    scene.overrides.tell(scene.now, &mut status);
    let json = serde_json::to_value(&status.sync_groups[0].changed).unwrap();
    let expected = serde_json::json!([{
        "action": "failover site", "uid": 1000, "reason": "update", "lapses_in_ms": 240_000
    }]);
    assert_eq!(json, expected);
}

fn any_line() -> impl Strategy<Value = String> {
    let server = prop::sample::select(vec!["r1", "r2", "r3", "r9", "192.0.2.21"]);
    let router = prop::sample::select(vec!["web", "outside", "inside", "own", "site", "none"]);
    (server, router, 0_usize..7, any::<u8>()).prop_map(
        |(server, router, kind, number)| match kind {
            0 => format!("drain web {server}"),
            1 => format!("maintenance web {server}"),
            2 => format!("ready web {server}"),
            3 => format!("weight web {server} {number}"),
            4 => format!("priority {router} {number}"),
            5 => format!("failover {router}"),
            _ => format!("restore {router}"),
        },
    )
}

proptest! {
    /// Whatever was changed and lapses leaves nothing, and every change that began has one end.
    #[test]
    fn what_lapses_leaves_nothing(
        steps in prop::collection::vec((any_line(), 1_u64..1_000, 0_u64..200), 1..40),
    ) {
        let mut scene = Scene::new();
        let mut begun = 0_usize;
        for (line, length, pause) in &steps {
            let request = Request::new(action(line)).lapsing_after(Duration::from_secs(*length));
            if scene.ask(&request).is_ok() {
                begun += 1;
            } else {
                // What cannot lapse only takes back.
                let _ = scene.ask(&Request::new(action(line)));
            }
            scene.pass(*pause);
            prop_assert!(scene.overrides.poll_timeout().is_none_or(|at| at > scene.now));
        }
        scene.pass(1_000);
        prop_assert_eq!(scene.holds(), Vec::<String>::new());
        prop_assert_eq!(scene.overrides.poll_timeout(), None);
        let events = scene.events();
        let ended = events.iter().filter(|event| event.starts_with('(')).count();
        prop_assert_eq!(ended, begun);
    }
}

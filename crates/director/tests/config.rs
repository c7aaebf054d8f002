//! What is said about broken configuration files, word for word, and that nothing in one can do harm.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as the tests do"
)]

use std::fs;
use std::io;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use locum_director::config::{self, Config, Diagnostics, Style};
use locum_vrrp::election::{self, AnnounceSchedule, LeasePolicy, Preempt};
use locum_vrrp::{
    AdvertInterval, ChecksumForm, Password, Peer, Priority, RouterConfig, RouterConfigError, Vrid,
};
use proptest::prelude::*;

/// The only file there is beside the configuration.
fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("old.password") => Ok("8 bytes!\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn load(name: &str, text: &str) -> Result<Config, Diagnostics> {
    config::load(name, text, read)
}

/// The files of a directory of `tests/`, by name.
fn files(directory: &str) -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(directory);
    let mut files: Vec<(String, String)> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(path).expect("readable"))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files to test with");
    files
}

#[test]
fn every_mistake_of_a_broken_file_is_shown_with_its_place_and_cure() {
    for (name, text) in files("broken") {
        let diagnostics = load(&name, &text).expect_err(&name);
        insta::assert_snapshot!(
            name.trim_end_matches(".toml"),
            diagnostics.render(Style::Plain)
        );
        for diagnostic in diagnostics.iter() {
            assert!(
                !diagnostic.help.is_empty(),
                "{name}: no cure for {}",
                diagnostic.message
            );
        }
    }
}

/// Found by fuzzing.
#[test]
fn a_mistake_among_carriage_returns_is_drawn() {
    for text in ["a\r\r\r\r\n", "[director]\nname\r\r\r\r", "\r\r\r"] {
        let diagnostics = load("returns.toml", text).expect_err("no configuration");
        assert!(diagnostics.render(Style::Plain).contains("returns.toml"));
    }
}

#[test]
fn mistakes_can_be_read_by_programs() {
    let (name, text) = files("broken")
        .into_iter()
        .find(|(name, _)| name == "twice.toml")
        .expect("a file");
    let json = load(&name, &text).expect_err("broken").to_json();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&json).expect("JSON"));
}

#[test]
fn the_terminal_gets_colours_and_a_file_does_not() {
    let diagnostics = load("a.toml", "x = 1").expect_err("broken");
    assert!(diagnostics.render(Style::Terminal).contains('\x1b'));
    assert!(!diagnostics.render(Style::Plain).contains('\x1b'));
    assert_eq!(diagnostics.to_string(), diagnostics.render(Style::Plain));
}

fn addresses(list: &[&str]) -> Vec<IpNet> {
    list.iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

fn v3(centis: u16, priority: u8) -> election::Config {
    let interval = AdvertInterval::v3(centis).expect("in range");
    election::Config::new(interval, Priority::new(priority)).expect("a priority")
}

/// A description that shows every setting.
fn described(config: &Config) -> Vec<String> {
    let routers = config.virtual_routers.iter();
    routers
        .map(|named| format!("{} {:#?}", named.name, named.router))
        .collect()
}

fn expect_routers(file: &str, expected: Vec<(&str, Result<RouterConfig, RouterConfigError>)>) {
    let (name, text) = files("valid")
        .into_iter()
        .find(|(name, _)| name == file)
        .expect("a file");
    let config = load(&name, &text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let expected: Vec<String> = expected
        .into_iter()
        .map(|(name, router)| format!("{name} {:#?}", router.expect("valid")))
        .collect();
    assert_eq!(described(&config), expected);
}

#[test]
fn the_smallest_file_has_the_defaults_of_the_standard() {
    let vrid = Vrid::new(51).expect("a VRID");
    let web = RouterConfig::new("eth0", vrid, addresses(&["192.0.2.10/24"]), v3(100, 100));
    expect_routers("smallest.toml", vec![("web", web)]);
}

#[test]
fn every_key_reaches_the_router() {
    let vrid = |id| Vrid::new(id).expect("a VRID");
    let ip = |text: &str| text.parse().expect("an address");
    let seconds = Duration::from_secs;
    let web = v3(10, 150)
        .preempt(Preempt::Allow { delay: seconds(5) })
        .startup_delay(seconds(10))
        .missed_adverts(NonZeroU8::new(4).expect("not zero"))
        .announce(AnnounceSchedule {
            again_after: None,
            refresh: Some(seconds(60)),
        });
    let peers = vec![
        Peer {
            min_ttl: 255,
            ..Peer::new(ip("192.0.2.3"))
        },
        Peer {
            max_ttl: 64,
            ..Peer::new(ip("192.0.2.4"))
        },
    ];
    let web = RouterConfig::new(
        "eth0",
        vrid(51),
        addresses(&["192.0.2.10/24", "192.0.2.11/32"]),
        web,
    )
    .and_then(|web| web.source(ip("192.0.2.2")))
    .and_then(|web| web.unicast(peers))
    .and_then(|web| web.checksum(ChecksumForm::MessageOnly));
    let web6 = v3(100, 255).lease(LeasePolicy::Off).expect("no lease");
    let web6 = RouterConfig::new(
        "eth0",
        vrid(51),
        addresses(&["fe80::10/64", "2001:db8::10/64"]),
        web6,
    );
    let v2 = || {
        let interval = AdvertInterval::v2(1).expect("in range");
        election::Config::new(interval, Priority::new(100)).expect("a priority")
    };
    let password = |text: &str| Password::new(text).expect("it fits");
    let old = v2()
        .preempt(Preempt::Forbid)
        .lease(LeasePolicy::Fixed(seconds(30)))
        .expect("long enough");
    let old = RouterConfig::new("eth1.100", vrid(51), addresses(&["198.51.100.10/24"]), old)
        .and_then(|old| old.password(password("s3cret12")));
    let old_file = RouterConfig::new("eth1.100", vrid(52), addresses(&["198.51.100.11/24"]), v2())
        .and_then(|old| old.password(password("8 bytes!")));
    expect_routers(
        "everything.toml",
        vec![
            ("web", web),
            ("web6", web6),
            ("old", old),
            ("old.file", old_file),
        ],
    );
}

#[test]
fn the_section_director_has_defaults() {
    let text = |director: &str| format!("{director}\n{}", files("valid")[1].1);
    let bare = load("a.toml", &text("")).expect("valid").director;
    assert_eq!(bare, config::Director::default());
    let named = load(
        "a.toml",
        &text("[director]\nname = \"lb-a\"\ncontrol_socket = \"/a/b\""),
    );
    let named = named.expect("valid").director;
    assert_eq!(named.name.as_deref(), Some("lb-a"));
    assert_eq!(named.control_socket, Path::new("/a/b"));
}

#[test]
fn twelve_thousand_mistakes_are_all_reported() {
    use std::fmt::Write;
    let mut text = String::new();
    for _ in 0..2_000 {
        writeln!(
            text,
            "[[virtual_router]]\nname = \"web\"\nvrid = 0\nx = 1\ny = 1"
        )
        .expect("a string");
    }
    let diagnostics = load("long.toml", &text).expect_err("broken");
    assert_eq!(diagnostics.len(), 2_000 * 6 - 1, "the first name is right");
    assert!(diagnostics.render(Style::Plain).len() > text.len());
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Mutation {
    Delete { at: usize, len: usize },
    Insert { at: usize, what: String },
    Duplicate { at: usize, len: usize, to: usize },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let piece = prop_oneof![
        "\\PC{0,6}",
        "[\\[\\]{}=\",.#\n0-9a-z:/-]{0,6}",
        Just("\"ü€😀".to_owned()),
        Just("\r".to_owned()),
        Just("99999999999999999999999999".to_owned()),
        Just("[[virtual_router]]\n".to_owned()),
    ];
    prop_oneof![
        (any::<usize>(), 0..40_usize).prop_map(|(at, len)| Mutation::Delete { at, len }),
        (any::<usize>(), piece).prop_map(|(at, what)| Mutation::Insert { at, what }),
        (any::<usize>(), 0..80_usize, any::<usize>())
            .prop_map(|(at, len, to)| Mutation::Duplicate { at, len, to }),
    ]
}

fn mutate(text: &str, mutation: Mutation) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let place = |at: usize| at % (chars.len() + 1);
    match mutation {
        Mutation::Delete { at, len } => {
            let at = place(at);
            let end = (at + len).min(chars.len());
            chars.drain(at..end);
        }
        Mutation::Insert { at, what } => {
            let at = place(at);
            chars.splice(at..at, what.chars());
        }
        Mutation::Duplicate { at, len, to } => {
            let (at, to) = (place(at), place(to));
            let piece: Vec<char> = chars.iter().skip(at).take(len).copied().collect();
            chars.splice(to..to, piece);
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_mutated_file_never_panics(changes in prop::collection::vec(mutation(), 1..8)) {
        for (name, text) in files("valid") {
            let text = changes.iter().cloned().fold(text, |text, change| mutate(&text, change));
            if let Err(diagnostics) = load(&name, &text) {
                prop_assert!(!diagnostics.is_empty());
                prop_assert!(diagnostics.render(Style::Terminal).contains(&name));
                prop_assert!(diagnostics.to_json().is_object());
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        if let Err(diagnostics) = load("any.toml", &text) {
            prop_assert!(!diagnostics.render(Style::Plain).is_empty());
        }
    }
}

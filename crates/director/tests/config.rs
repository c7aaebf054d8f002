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
    AdvertInterval, AhKey, ChecksumForm, HmacFreshness, HmacKey, HmacKeyId, HmacKeys, HmacMode,
    HmacWindow, Password, Peer, Priority, RouterConfig, RouterConfigError, Vrid,
};
use proptest::prelude::*;

/// Thirty-two bytes.
const HMAC_KEY: &str = "THIS KEY MUST NEVER BE SEEN HERE";

/// The only files there are beside the configuration.
fn read(path: &Path) -> io::Result<String> {
    let text = match path.to_str() {
        Some("old.password") => "8 bytes!\n".to_owned(),
        Some("ah.key") => "NEVER!\n".to_owned(),
        Some("hmac.key") => format!("{HMAC_KEY}\r\n"),
        Some("hex.key") => format!("hex:{}\n", "4e".repeat(40)),
        Some("odd.key") => format!("hex:{}4\n", "4e".repeat(40)),
        Some("nothing.key") => "\n".to_owned(),
        Some("long.key") => "NEVER SEEN".to_owned(),
        Some("lines.key") => "NEVER\nSEEN\n".to_owned(),
        _ => return Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Ok(text)
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
        assert!(!diagnostics.render(Style::Plain).contains("NEVER"));
        assert!(!diagnostics.to_json().to_string().contains("NEVER"));
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
fn every_kind_of_authentication_reaches_the_router() {
    let vrid = |id| Vrid::new(id).expect("a VRID");
    let id = |id| HmacKeyId::new(id).expect("not zero");
    let window = |seconds| HmacFreshness::Window(HmacWindow::new(seconds).expect("a window"));
    let key = |text: &str| HmacKey::new(text).expect("long enough");
    let keys = || HmacKeys::new(id(1), key(HMAC_KEY));
    let v2 = AdvertInterval::v2(1).expect("in range");
    let v2 = election::Config::new(v2, Priority::new(100)).expect("a priority");
    let ah = RouterConfig::new("eth0", vrid(1), addresses(&["192.0.2.1/24"]), v2)
        .and_then(|ah| ah.header(AhKey::new("NEVER!").expect("it fits"), None));
    let hmac = |last: u8, interval, keys, mode, freshness| {
        let address = format!("192.0.2.{last}/24");
        RouterConfig::new(
            "eth0",
            vrid(last),
            addresses(&[&address]),
            v3(interval, 100),
        )
        .and_then(|hmac| hmac.trailer(keys, mode, freshness))
    };
    let two = HmacKeys::new(id(7), key(&"N".repeat(40))).and_accept(id(1), key(HMAC_KEY));
    let (enforce, permissive) = (HmacMode::Enforce, HmacMode::Permissive);
    expect_routers(
        "authentication.toml",
        vec![
            ("ah", ah),
            ("hmac", hmac(2, 100, keys(), enforce, window(5))),
            ("slow", hmac(3, 300, keys(), permissive, window(9))),
            (
                "two",
                hmac(
                    4,
                    100,
                    two.expect("two ids"),
                    HmacMode::ReceiveOnly,
                    window(30),
                ),
            ),
            (
                "unclocked",
                hmac(5, 100, keys(), enforce, HmacFreshness::Monotonic),
            ),
        ],
    );
}

#[test]
fn a_secret_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let (file, secret) = (
        directory.path().join("a.toml"),
        directory.path().join("ah.key"),
    );
    let text = "[[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\nversion = 2\n\
                addresses = [\"192.0.2.10/24\"]\nauthentication = { type = \"ah\", key_file = \"ah.key\" }\n";
    fs::write(&file, text).expect("written");
    fs::write(&secret, "NEVER!\n").expect("written");
    let warnings = |mode| {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).expect("changed");
        let source = config::Source::open(&file).expect("readable");
        source.load().expect("valid").warnings
    };
    assert!(warnings(0o600).is_empty() && warnings(0o640).is_empty());
    let open = warnings(0o644);
    let shown = open.render(Style::Plain);
    let path = file.to_string_lossy().into_owned();
    insta::assert_snapshot!("readable_secret", shown.replace(&path, "a.toml"));
}

#[test]
fn the_section_director_has_defaults() {
    let text = |director: &str| format!("{director}\n{}", files("valid")[2].1);
    let bare = load("a.toml", &text("")).expect("valid").director;
    assert_eq!(bare, config::Director::default());
    let named = load(
        "a.toml",
        &text(
            "[director]\nname = \"lb-a\"\ncontrol_socket = \"/a/b\"\nhello_interval = \"100ms\"\n\
             hello_missed = 2\nrealtime = true",
        ),
    );
    let named = named.expect("valid").director;
    assert_eq!(named.name.as_deref(), Some("lb-a"));
    assert_eq!(named.control_socket, Path::new("/a/b"));
    assert_eq!(named.hello_interval, Duration::from_millis(100));
    assert_eq!((named.hello_missed, named.realtime), (2, true));
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

#[test]
fn routers_of_a_sync_group_are_named_in_their_order() {
    let router = |name: &str, vrid: u8| {
        format!(
            "[[virtual_router]]\nname = \"{name}\"\ninterface = \"eth0\"\nvrid = {vrid}\n\
             addresses = [\"192.0.2.{vrid}/24\"]\n"
        )
    };
    let group = "[[sync_group]]\nname = \"site\"\nmembers = [\"inside\", \"outside\"]\n";
    // A section may stand before those it names.
    let routers = ["outside", "inside", "alone"].into_iter().zip(51..);
    let routers: String = routers.map(|(name, vrid)| router(name, vrid)).collect();
    let config = load("site.toml", &format!("{group}{routers}")).expect("valid");
    let [site] = &config.sync_groups[..] else {
        panic!("one group: {:?}", config.sync_groups);
    };
    assert_eq!(site.name, "site");
    assert_eq!(site.members, ["inside", "outside"]);
    let config = load("alone.toml", &routers).expect("valid");
    assert_eq!(config.sync_groups, []);
}

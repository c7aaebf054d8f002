//! What a configuration says about what is tracked.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

use locum_director::config::{self, Config, Health, Style, Subject};

const VALID: &str = r#"
[[track_script]]
name = "chk"
program = ["/bin/true", "-q"]
interval = "2s"
rise = 2
fall = 3
init = "down"
weight = -30

[[track_process]]
name = "proxy"
process = "haproxy"

[[track_file]]
name = "maint"
path = "/run/maint"

[[track_file]]
name = "idle"
path = "/run/idle"

[[virtual_router]]
name = "web"
interface = "eth0"
vrid = 51
addresses = ["192.0.2.10/24"]
track = [
    { interface = "eth1", weight = -20, reverse = true },
    { script = "chk" },
    { script = "chk2", weight = 0 },
    { service = "site" },
]

[[virtual_router]]
name = "own"
interface = "eth0"
vrid = 52
priority = 255
addresses = ["192.0.2.11/24"]
track = [{ process = "proxy", weight = -7 }]

[[virtual_router]]
name = "mail"
interface = "eth0"
vrid = 53
addresses = ["192.0.2.12/24"]

[[sync_group]]
name = "both"
members = ["web", "mail"]
track = [{ file = "maint" }, { process = "proxy" }]

[[track_script]]
name = "chk2"
program = ["/bin/true"]

[[virtual_service]]
name = "site"
address = "192.0.2.10:80"
server = [{ address = "10.0.0.1" }]
"#;

fn load(text: &str) -> Config {
    let none = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    config::load("valid.toml", text, none).unwrap()
}

#[test]
fn what_is_tracked_is_read() {
    let config = load(VALID);
    let script = &config.tracking.scripts[0];
    assert_eq!(script.timeout, script.interval);
    assert_eq!(script.init, Some(Health::Down));
    let shown: Vec<_> = config.virtual_routers[0]
        .track
        .iter()
        .map(|one| (one.subject.to_string(), one.weight, one.reverse))
        .collect();
    assert_eq!(
        shown,
        [
            ("interface eth1".to_owned(), -20, true),
            ("script chk".to_owned(), -30, false),
            ("script chk2".to_owned(), 0, false),
            ("service site".to_owned(), 0, false),
        ]
    );
    let group = &config.sync_groups[0].track;
    assert_eq!(group[0].subject, Subject::File("maint".to_owned()));
    assert_eq!((group[0].weight, group[1].weight), (1, 0));
}

#[test]
fn what_has_no_effect_is_told() {
    insta::assert_snapshot!(load(VALID).warnings.render(Style::Plain));
}

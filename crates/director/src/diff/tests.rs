use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use locum_ipvs::{Client, Scheduler, Seconds, Service, Weight};

use super::*;
use crate::config;

const CONFIG: &str = r#"
[ipvs]
timeouts = { tcp = "10m" }

[[virtual_router]]
name = "web"
interface = "eth0"
vrid = 51
addresses = ["192.0.2.10/24"]

[[virtual_service]]
name = "web"
address = "192.0.2.10:80"
scheduler = "wrr"
persistence = "5m"

[virtual_service.check]
type = "tcp"

[[virtual_service.server]]
address = "192.0.2.21"
weight = 3

[[virtual_service.server]]
address = "192.0.2.22"

[[virtual_service.server]]
address = "192.0.2.23"
check = false
drain = true

[[virtual_service]]
name = "dns"
address = "192.0.2.10:53"
protocol = "udp"
scheduler = "rr"

[[virtual_service.server]]
address = "192.0.2.31:5353"
forward = "nat"
check = false
"#;

fn site() -> Site {
    let none = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    config::load("site.toml", CONFIG, none)
        .unwrap()
        .site
        .as_ref()
        .clone()
}

/// The kernel's table after `ops`.
fn table(ops: &[Op]) -> Snapshot {
    let mut client = Client::new(locum_ipvs::fake::Kernel::new());
    for outcome in client.apply(ops) {
        outcome.unwrap();
    }
    client.snapshot().unwrap()
}

fn direct(address: &str, weight: u32) -> Destination {
    let weight = Weight::new(weight).unwrap();
    Destination::direct(address.parse().unwrap()).weight(weight)
}

fn service(address: &str) -> Service {
    let address: SocketAddr = address.parse().unwrap();
    Service::new(ServiceKey::tcp(address), Scheduler::RR)
}

fn shown(diff: &Diff) -> String {
    let lines = diff.changes.iter().map(|change| {
        let sign = match change.kind {
            Kind::Add => '+',
            Kind::Change => '~',
            Kind::Remove => '-',
        };
        format!("{sign} {}\n", change.what)
    });
    lines.collect()
}

fn now() -> Instant {
    crate::clock::now()
}

fn timeouts(tcp: u64) -> Timeouts {
    let mut client = Client::new(locum_ipvs::fake::Kernel::new());
    let change = TimeoutChange {
        tcp: Some(Seconds::try_from(Duration::from_secs(tcp)).unwrap()),
        ..TimeoutChange::default()
    };
    for outcome in client.apply(&[Op::SetTimeouts(change)]) {
        outcome.unwrap();
    }
    client.timeouts().unwrap()
}

#[test]
fn an_empty_table_gets_everything_that_would_serve() {
    let diff = compare(
        now(),
        &site(),
        |_| false,
        Snapshot::default(),
        Some(timeouts(900)),
    );
    insta::assert_snapshot!(shown(&diff), @r"
    + tcp 192.0.2.10:80  wrr, persistent for 300 s
    + tcp 192.0.2.10:80 -> 192.0.2.21:80  direct, weight 3
    + tcp 192.0.2.10:80 -> 192.0.2.22:80  direct, weight 1
    + udp 192.0.2.10:53  rr
    + udp 192.0.2.10:53 -> 192.0.2.31:5353  masquerade, weight 1
    ~ timeouts  tcp 900 s -> 600 s
    ");
    assert_eq!(diff.count(Kind::Add), 5);
}

#[test]
fn what_differs_is_shown_with_before_and_after() {
    let web = service("192.0.2.10:80");
    let key = *web.key();
    let old = service("192.0.2.99:80");
    let actual = table(&[
        Op::AddService(web),
        Op::AddDestination(key, direct("192.0.2.21", 1)),
        Op::AddDestination(key, direct("192.0.2.77", 1)),
        Op::AddService(old.clone()),
    ]);
    let mut site = site();
    let diff = compare(now(), &site, |_| false, actual.clone(), Some(timeouts(600)));
    insta::assert_snapshot!(shown(&diff), @r"
    ~ tcp 192.0.2.10:80 -> 192.0.2.21:80  direct, weight 1 -> direct, weight 3
    + tcp 192.0.2.10:80 -> 192.0.2.22:80  direct, weight 1
    + udp 192.0.2.10:53  rr
    + udp 192.0.2.10:53 -> 192.0.2.31:5353  masquerade, weight 1
    ~ tcp 192.0.2.10:80  rr -> wrr, persistent for 300 s
    ~ tcp 192.0.2.10:80 -> 192.0.2.77:80  weight 1 -> 0, until its connections end
    ");
    assert_eq!(diff.foreign, 1);
    let diff = compare(
        now(),
        &site,
        |found| found == old.key(),
        actual.clone(),
        Some(timeouts(600)),
    );
    assert_eq!(diff.foreign, 0, "an earlier run left it");
    assert_eq!(diff.changes.last().unwrap().what, old.key().to_string());
    site.ipvs.foreign = Foreign::Remove;
    let diff = compare(now(), &site, |_| false, actual, Some(timeouts(600)));
    assert_eq!(diff.foreign, 0);
    assert_eq!(diff.changes.last().unwrap().what, old.key().to_string());
}

#[test]
fn a_table_that_is_right_already_changes_nothing() {
    let site = site();
    let mut client = Client::new(locum_ipvs::fake::Kernel::new());
    let mut pools = Pools::new(now(), &Arc::new(site.clone()), &Snapshot::default());
    let slots: Vec<_> = pools.checks().map(|(slot, _, _)| slot).collect();
    for slot in slots {
        let report = Input::Report {
            slot,
            health: Health::Up,
            weight: None,
            error: None,
        };
        pools.handle(now(), report);
    }
    let ops = locum_ipvs::plan(pools.desired(), &Snapshot::default());
    for outcome in client.apply(&ops) {
        outcome.unwrap();
    }
    let diff = compare(now(), &site, |_| false, client.snapshot().unwrap(), None);
    assert_eq!(diff, Diff::default());
}

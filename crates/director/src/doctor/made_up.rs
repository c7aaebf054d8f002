//! For the tables of tests: a director in good order, and a configuration for it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::{Facts, Ipvs, Segment};
use super::finding::{Finding, Severity};
use super::modules::Modules;
use crate::config::{self, Config};
use crate::machine::made_up::machine;

/// `text` with a virtual router for 192.0.2.10 and one for 2001:db8::10 before it.
pub(super) fn config(text: &str) -> Config {
    let routers = r#"
        [[virtual_router]]
        name = "web"
        interface = "eth0"
        vrid = 51
        addresses = ["192.0.2.10/24"]

        [[virtual_router]]
        name = "web6"
        interface = "eth0"
        vrid = 51
        addresses = ["fe80::10/64", "2001:db8::10/64"]
    "#;
    let none = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    config::load("made-up.toml", &format!("{routers}\n{text}"), none).unwrap()
}

/// A machine with everything that it needs, alone on its network.
pub(super) fn facts() -> Facts {
    let modules = Modules {
        builtin: Some(
            ["ip_vs_rr", "ip_vs_wlc", "ip_vs_wrr", "ip_vs_mh"]
                .map(str::to_owned)
                .into(),
        ),
        loadable: Some(std::iter::once("ip_vs".to_owned()).collect()),
        ..Modules::default()
    };
    let segment = Segment {
        heard: Ok(Vec::new()),
        claims: Ok(BTreeMap::new()),
    };
    Facts {
        machine: machine(),
        missing: Ok(None),
        ipvs: Ipvs::Ready { version: (1, 2, 1) },
        modules,
        segments: BTreeMap::from([("eth0".to_owned(), segment)]),
        listened: Duration::from_secs(3),
    }
}

/// What is wrong, or worth a note.
pub(super) fn notable(findings: Vec<Finding>) -> Vec<(Severity, &'static str)> {
    let mut all: Vec<_> = findings
        .into_iter()
        .filter(|one| one.severity != Severity::Ok)
        .map(|one| (one.severity, one.id))
        .collect();
    all.sort_unstable();
    all
}

//! A scene in which changes are asked for in words.

use std::io;
use std::path::Path;

use super::super::*;
use crate::config;

pub(super) const CALLER: Caller = Caller {
    uid: Some(1000),
    pid: Some(7),
};

pub(super) const ROUTERS: &str = r#"
[[virtual_router]]
name = "web"
interface = "eth0"
vrid = 51
addresses = ["192.0.2.10/24"]

[[virtual_router]]
name = "outside"
interface = "eth0"
vrid = 52
addresses = ["192.0.2.11/24"]

[[virtual_router]]
name = "inside"
interface = "eth1"
vrid = 53
addresses = ["198.51.100.11/24"]

[[virtual_router]]
name = "own"
interface = "eth0"
vrid = 54
priority = 255
addresses = ["192.0.2.12/24"]

[[sync_group]]
name = "site"
members = ["outside", "inside"]
"#;

pub(super) const SERVICE: &str = r#"
[[virtual_service]]
name = "web"
address = "192.0.2.10:80"
server = [
  { name = "r1", address = "192.0.2.21" },
  { name = "r2", address = "192.0.2.22" },
  { name = "r3", address = "192.0.2.23", drain = true },
]
"#;

pub(super) fn known(text: &str) -> Known {
    let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    Known::of(&config::load("a.toml", text, nothing).unwrap())
}

pub(super) struct Scene {
    pub(super) now: Instant,
    pub(super) overrides: Overrides,
    pub(super) known: Known,
}

/// What was changed: `web` or `r1` with a verb, as on the command line.
pub(super) fn action(line: &str) -> Action {
    let words: Vec<&str> = line.split(' ').collect();
    let own = |word: &str| word.to_owned();
    match words[..] {
        ["drain", service, server] => Action::Drain {
            service: own(service),
            server: own(server),
        },
        ["maintenance", service, server] => Action::Maintenance {
            service: own(service),
            server: own(server),
        },
        ["ready", service, server] => Action::Ready {
            service: own(service),
            server: own(server),
        },
        ["weight", service, server, weight] => Action::Weight {
            service: own(service),
            server: own(server),
            weight: weight.parse().unwrap(),
        },
        ["priority", router, priority] => Action::Priority {
            router: own(router),
            priority: priority.parse().unwrap(),
        },
        ["failover", router] => Action::Failover {
            router: own(router),
        },
        ["restore", router] => Action::Restore {
            router: own(router),
        },
        ["reload"] => Action::Reload,
        _ => panic!("{line}"),
    }
}

impl Scene {
    pub(super) fn new() -> Self {
        Self {
            now: crate::clock::now(),
            overrides: Overrides::default(),
            known: known(&format!("{ROUTERS}{SERVICE}")),
        }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Result<Vec<String>, String> {
        let applied = self.overrides.apply(self.now, CALLER, request, &self.known);
        applied.map_err(|refused| refused.error)
    }

    pub(super) fn make(&mut self, line: &str) -> Vec<String> {
        self.ask(&Request::new(action(line))).unwrap()
    }

    pub(super) fn make_for(&mut self, line: &str, seconds: u64) -> Vec<String> {
        let length = Duration::from_secs(seconds);
        let request = Request::new(action(line)).lapsing_after(length);
        self.ask(&request).unwrap()
    }

    pub(super) fn refusal(&mut self, line: &str) -> String {
        let before = format!("{:?}", self.overrides);
        let error = self.ask(&Request::new(action(line))).unwrap_err();
        assert_eq!(format!("{:?}", self.overrides), before);
        error
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.overrides.handle_timeout(self.now);
    }

    pub(super) fn reload(&mut self, text: &str) {
        self.known = known(text);
        self.overrides.reload(&self.known);
    }

    /// What is to be told, as text.
    pub(super) fn holds(&self) -> Vec<String> {
        let servers = self.overrides.servers();
        let servers = servers
            .iter()
            .map(|one| format!("{}/{} {:?}", one.service, one.server, one.wish));
        let mut all: Vec<String> = servers.collect();
        for router in ["web", "outside", "inside", "own"] {
            if let Some(priority) = self.overrides.priority(router) {
                all.push(format!("{router} {priority}"));
            }
            if let Some(until) = self.overrides.stand_by(router, &self.known) {
                all.push(format!("{router} stands by {:?}", until - self.now));
            }
        }
        all
    }

    pub(super) fn events(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(event) = self.overrides.poll_event() {
            texts.push(if let What::Changed { action, .. } = event {
                action
            } else if let What::ChangeEnded { action, lapsed } = event {
                let how = if lapsed { "lapsed" } else { "taken back" };
                format!("({action}) {how}")
            } else {
                panic!("{event:?}")
            });
        }
        texts
    }
}

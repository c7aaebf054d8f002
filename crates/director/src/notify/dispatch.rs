//! Who is told of an event, and in which words.

use std::sync::Arc;

use super::settings::{Notification, StateScripts};
use crate::events::What;
use crate::site::{Notify, Script};
use crate::status::StateName;

/// What programs are run for, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Group(String),
    Router(String),
    Server(String, String),
    Service(String),
}

/// A program to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) object: Object,
    pub(super) script: Arc<Script>,
    /// Behind its own arguments.
    pub(super) words: Vec<String>,
}

/// What a state is called by keepalived. A router that takes over is still a backup there, and one that hands over is still
/// the master.
const fn keepalived(state: StateName) -> &'static str {
    match state {
        StateName::Initialize => "STOP",
        StateName::Fault => "FAULT",
        StateName::Backup | StateName::Preempting => "BACKUP",
        StateName::Master | StateName::Leaving => "MASTER",
    }
}

/// A virtual router or sync group that is in another state of keepalived's.
struct Turn<'a> {
    kind: &'static str,
    name: &'a str,
    state: &'static str,
    /// Always 0 for groups, as with keepalived.
    priority: u8,
}

fn turn(what: &What) -> Option<Turn<'_>> {
    let (kind, name, from, to, priority) = match what {
        What::RouterState {
            router,
            from,
            to,
            priority,
            ..
        } => ("INSTANCE", router, *from, *to, *priority),
        What::GroupState { group, from, to } => ("GROUP", group, *from, *to, 0),
        What::RouterFault { .. }
        | What::ServerState { .. }
        | What::ServerWeight { .. }
        | What::ServerDrained { .. }
        | What::Quorum { .. }
        | What::HoldBegan { .. }
        | What::HoldEnded { .. }
        | What::Tracker { .. }
        | What::Reloaded { .. }
        | What::Changed { .. }
        | What::ChangeEnded { .. }
        | What::Process { .. } => return None,
    };
    let (before, state) = (keepalived(from), keepalived(to));
    (before != state).then_some(Turn {
        kind,
        name,
        state,
        priority,
    })
}

/// The programs that are run for `what`, in order.
pub(super) fn scripts(settings: &Notification, what: &What) -> Vec<Delivery> {
    if let Some(turn) = turn(what) {
        let (found, object): (_, fn(String) -> Object) = match turn.kind {
            "GROUP" => (settings.groups.get(turn.name), Object::Group),
            _ => (settings.routers.get(turn.name), Object::Router),
        };
        let object = object(turn.name.to_owned());
        return found.map_or_else(Vec::new, |found| of_state(found, &object, &turn));
    }
    match what {
        What::Quorum {
            service, gained, ..
        } => {
            let Some(found) = settings.services.get(service) else {
                return Vec::new();
            };
            let object = Object::Service(service.clone());
            of_notify(&found.notify, *gained, object, &["service", service])
        }
        What::ServerState {
            service,
            server,
            up,
            ..
        } => {
            let found = settings.services.get(service);
            let Some(notify) = found.and_then(|found| found.servers.get(server)) else {
                return Vec::new();
            };
            let object = Object::Server(service.clone(), server.clone());
            of_notify(notify, *up, object, &["server", service, server])
        }
        What::RouterState { .. }
        | What::GroupState { .. }
        | What::RouterFault { .. }
        | What::ServerWeight { .. }
        | What::ServerDrained { .. }
        | What::HoldBegan { .. }
        | What::HoldEnded { .. }
        | What::Tracker { .. }
        | What::Reloaded { .. }
        | What::Changed { .. }
        | What::ChangeEnded { .. }
        | What::Process { .. } => Vec::new(),
    }
}

fn of_state(found: &StateScripts, object: &Object, turn: &Turn<'_>) -> Vec<Delivery> {
    let own = match turn.state {
        "MASTER" => &found.master,
        "BACKUP" => &found.backup,
        "FAULT" => &found.fault,
        _ => &found.stop,
    };
    let delivery = |script: &Arc<Script>, words| Delivery {
        object: object.clone(),
        script: Arc::clone(script),
        words,
    };
    let words = || {
        let priority = turn.priority.to_string();
        [turn.kind, turn.name, turn.state, &priority].map(str::to_owned)
    };
    let own = own.iter().map(|script| delivery(script, Vec::new()));
    let any = found.any.iter();
    own.chain(any.map(|script| delivery(script, words().into())))
        .collect()
}

fn of_notify(notify: &Notify, up: bool, object: Object, words: &[&str]) -> Vec<Delivery> {
    let (script, word) = match up {
        true => (&notify.up, "up"),
        false => (&notify.down, "down"),
    };
    let Some(script) = script else {
        return Vec::new();
    };
    let words = words.iter().copied().chain([word]);
    vec![Delivery {
        object,
        script: Arc::clone(script),
        words: words.map(str::to_owned).collect(),
    }]
}

/// The records of keepalived's for `what`, each a line.
pub(super) fn records(settings: &Notification, what: &What) -> Vec<String> {
    if let Some(Turn {
        kind,
        name,
        state,
        priority,
    }) = turn(what)
    {
        return vec![format!("{kind} \"{name}\" {state} {priority}\n")];
    }
    let (service, up, server) = match what {
        What::Quorum {
            service, gained, ..
        } => (service, *gained, None),
        What::ServerState {
            service,
            up,
            address,
            ..
        } => (service, *up, Some(address)),
        What::RouterState { .. }
        | What::GroupState { .. }
        | What::RouterFault { .. }
        | What::ServerWeight { .. }
        | What::ServerDrained { .. }
        | What::HoldBegan { .. }
        | What::HoldEnded { .. }
        | What::Tracker { .. }
        | What::Reloaded { .. }
        | What::Changed { .. }
        | What::ChangeEnded { .. }
        | What::Process { .. } => return Vec::new(),
    };
    let Some(service) = settings.services.get(service) else {
        return Vec::new();
    };
    let state = if up { "UP" } else { "DOWN" };
    let object = match server {
        None => "VS".to_owned(),
        Some(address) => {
            let (ip, protocol, port) = (address.ip(), &service.protocol, address.port());
            format!("RS [{ip}]:{protocol}:{port}")
        }
    };
    let keys = service.keys.iter();
    keys.map(|key| format!("{object} {key} {state}\n"))
        .collect()
}

/// Is it worth a mail? What is as it should be at the start is not, nor are steps on the way.
pub(super) fn is_news(what: &What) -> bool {
    match what {
        What::RouterState { .. } | What::GroupState { .. } => turn(what).is_some(),
        What::ServerState { up, first, .. } => !(*up && *first),
        What::Quorum { gained, first, .. } => !(*gained && *first),
        What::ServerWeight { .. } | What::ServerDrained { .. } => false,
        What::Reloaded { ok, .. } => !ok,
        What::RouterFault { .. }
        | What::HoldBegan { .. }
        | What::HoldEnded { .. }
        | What::Tracker { .. }
        | What::Changed { .. }
        | What::ChangeEnded { .. }
        | What::Process { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ServiceNotice;
    use super::*;

    fn script(name: &str) -> Arc<Script> {
        Arc::new(Script {
            program: name.into(),
            arguments: Vec::new(),
            user: None,
            timeout: Duration::from_secs(10),
        })
    }

    fn settings() -> Notification {
        let mut settings = Notification::default();
        let scripts = StateScripts {
            any: Some(script("any")),
            master: Some(script("master")),
            backup: Some(script("backup")),
            fault: Some(script("fault")),
            stop: Some(script("stop")),
        };
        let any = StateScripts {
            any: Some(script("any")),
            ..StateScripts::default()
        };
        settings.routers.insert("web".to_owned(), scripts);
        settings.groups.insert("site".to_owned(), any);
        let notify = Notify {
            up: Some(script("up")),
            down: None,
        };
        let service = ServiceNotice {
            keys: vec![
                "[192.0.2.1]:tcp:80".to_owned(),
                "[192.0.2.2]:tcp:80".to_owned(),
            ],
            protocol: "tcp".to_owned(),
            notify: notify.clone(),
            servers: [("r1".to_owned(), notify)].into(),
        };
        settings.services.insert("web".to_owned(), service);
        settings
    }

    fn router(from: StateName, to: StateName) -> What {
        What::RouterState {
            router: "web".to_owned(),
            from,
            to,
            priority: 150,
            reason: String::new(),
        }
    }

    fn server(up: bool) -> What {
        What::ServerState {
            service: "web".to_owned(),
            server: "r1".to_owned(),
            address: "10.0.0.1:80".parse().unwrap(),
            up,
            reason: None,
            first: true,
            held: false,
        }
    }

    fn quorum(gained: bool) -> What {
        What::Quorum {
            service: "web".to_owned(),
            gained,
            weight: 1,
            first: true,
        }
    }

    fn lines(what: &What) -> Vec<String> {
        let deliveries = scripts(&settings(), what).into_iter();
        deliveries
            .map(|Delivery { script, words, .. }| {
                format!("{} {}", script.program.display(), words.join(" "))
            })
            .collect()
    }

    #[test]
    fn programs_get_the_words_of_keepalived() {
        use StateName::{Backup, Fault, Initialize, Leaving, Master, Preempting};
        let table: [(_, _, &[&str]); 7] = [
            (
                Initialize,
                Backup,
                &["backup ", "any INSTANCE web BACKUP 150"],
            ),
            (Backup, Preempting, &[]),
            (
                Preempting,
                Master,
                &["master ", "any INSTANCE web MASTER 150"],
            ),
            (Master, Leaving, &[]),
            (Leaving, Backup, &["backup ", "any INSTANCE web BACKUP 150"]),
            (Backup, Fault, &["fault ", "any INSTANCE web FAULT 150"]),
            (Leaving, Initialize, &["stop ", "any INSTANCE web STOP 150"]),
        ];
        for (from, to, expected) in table {
            assert_eq!(lines(&router(from, to)), expected, "{from} to {to}");
        }
        let group = What::GroupState {
            group: "site".to_owned(),
            from: Backup,
            to: Master,
        };
        assert_eq!(lines(&group), ["any GROUP site MASTER 0"]);
        assert_eq!(records(&settings(), &group), ["GROUP \"site\" MASTER 0\n"]);
        assert_eq!(
            records(&settings(), &router(Backup, Master)),
            ["INSTANCE \"web\" MASTER 150\n"]
        );
    }

    #[test]
    fn servers_and_services_are_up_or_down() {
        assert_eq!(lines(&server(true)), ["up server web r1 up"]);
        assert_eq!(lines(&server(false)), [""; 0], "there is no program for it");
        assert_eq!(lines(&quorum(true)), ["up service web up"]);
        assert_eq!(
            records(&settings(), &server(false)),
            [
                "RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 DOWN\n",
                "RS [10.0.0.1]:tcp:80 [192.0.2.2]:tcp:80 DOWN\n"
            ]
        );
        assert_eq!(
            records(&settings(), &quorum(true)),
            ["VS [192.0.2.1]:tcp:80 UP\n", "VS [192.0.2.2]:tcp:80 UP\n"]
        );
    }

    #[test]
    fn what_is_as_it_should_be_is_no_news() {
        use StateName::{Backup, Master, Preempting};
        let reloaded = |ok| What::Reloaded {
            ok,
            detail: String::new(),
        };
        let news = [
            server(false),
            quorum(false),
            reloaded(false),
            router(Backup, Master),
        ];
        let none = [
            server(true),
            quorum(true),
            reloaded(true),
            router(Backup, Preempting),
        ];
        assert!(news.iter().all(is_news));
        assert!(!none.iter().any(is_news));
    }
}

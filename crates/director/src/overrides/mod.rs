//! What the operator changed at run time, for a time.
//!
//! Pure: [`Overrides`] takes requests, time and configurations, and says what holds. The rules:
//!
//! - **The last change of a thing holds.** A server is drained, in maintenance, ready or of another weight; a virtual
//!   router has another priority; a virtual router, or all of its sync group, stands by.
//! - **It ends** when its time is over, when it is taken back (a server by `ready`, a virtual router or sync group by
//!   `restore`), when a reload takes away what it is about, and with the program.
//! - **A fail-over always lapses**, after [`STAND_BY`] if nothing else is said: it keeps this machine from preempting.
//! - Who is told what follows is told all of it again when it starts again: see [`servers`](Overrides::servers),
//!   [`priority`](Overrides::priority) and [`stand_by`](Overrides::stand_by).

mod known;
mod refusal;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use locum_ipvs::Weight;
use serde::{Deserialize, Serialize};

pub(crate) use self::known::Known;
use self::known::{Election, Party};
use self::refusal::{LONGEST, Refusal};
use crate::control::{Action, Caller, Refused, Request};
use crate::events::What;
use crate::report::millis;
use crate::site::Admin;

/// How long a fail-over lasts that does not say.
pub(crate) const STAND_BY: Duration = Duration::from_secs(300);

/// What the operator wants of a server, in place of what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerOverride {
    pub(crate) service: String,
    pub(crate) server: String,
    pub(crate) wish: ServerWish,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerWish {
    /// It finishes what it has, gets nothing new, and is out when that is done.
    Drain,
    /// It is out at once.
    Maintenance,
    /// It serves when its checks pass, though the configuration has it drained.
    Ready,
    /// It has this weight, whatever configuration and checks say.
    Weight(u32),
}

/// Everything that holds now.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    changes: BTreeMap<Object, Change>,
    events: VecDeque<What>,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Object {
    /// The priority of a virtual router.
    Priority(String),
    /// A server, by its service and its name.
    Server(String, String),
    /// Whether these may preempt.
    StandBy(Party),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    action: Action,
    uid: Option<u32>,
    reason: Option<String>,
    until: Option<Instant>,
}

/// What a request amounts to.
struct Effect {
    /// With the names of the configuration.
    action: Action,
    ends: Vec<Object>,
    begins: Option<Object>,
}

impl Overrides {
    /// Makes a change of what is `known`, and tells in words what changed; nothing if all was so already. A reload is
    /// only written down.
    ///
    /// # Errors
    ///
    /// Why not. Nothing has changed then.
    pub(crate) fn apply(
        &mut self,
        now: Instant,
        caller: Caller,
        request: &Request,
        known: &Known,
    ) -> Result<Vec<String>, Refused> {
        let refused = |refusal: Refusal| Refused {
            error: refusal.to_string(),
        };
        let effect = effect(&request.action, known).map_err(refused)?;
        let length = length(request, &effect).map_err(refused)?;
        let until = length.map(|length| now.checked_add(length).ok_or(Refusal::Time));
        let until = until.transpose().map_err(refused)?;

        let mut words = Vec::new();
        for object in effect.ends {
            if let Some(ended) = self.end(&object, Ending::TakenBack) {
                words.push(format!("`{}` is taken back", ended.action));
            }
        }
        if let Some(object) = effect.begins {
            let what = in_words(&effect.action, &object);
            words.push(match length {
                Some(length) => format!("{what}, for {}", humantime::format_duration(length)),
                None => format!("{what}, until that is taken back"),
            });
            self.end(&object, Ending::TakenBack);
            let change = Change {
                action: effect.action.clone(),
                uid: caller.uid,
                reason: request.reason.clone(),
                until,
            };
            self.changes.insert(object, change);
        }
        self.events.push_back(What::Changed {
            action: effect.action.to_string(),
            uid: caller.uid,
            reason: request.reason.clone(),
            lapses_ms: length.map(millis),
        });
        Ok(words)
    }

    /// Ends what is about something that is not `known` any more.
    pub(crate) fn reload(&mut self, known: &Known) {
        let is_gone = |object: &&Object| match object {
            Object::Priority(router) => {
                let router = known.router(router);
                !router.is_ok_and(|router| router.election == Election::Ranked)
            }
            Object::Server(service, server) => !known.has_server(service, server),
            Object::StandBy(party) => !known.has_party(party),
        };
        let gone: Vec<Object> = self.changes.keys().filter(is_gone).cloned().collect();
        for object in gone {
            self.end(&object, Ending::TakenBack);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.changes
            .values()
            .filter_map(|change| change.until)
            .min()
    }

    /// Ends what has had its time, the earliest first.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let changes = self.changes.iter();
        let due = changes.filter_map(|(object, change)| Some((change.until?, object.clone())));
        let mut due: Vec<(Instant, Object)> = due.filter(|(until, _)| *until <= now).collect();
        due.sort();
        for (_, object) in due {
            self.end(&object, Ending::Lapsed);
        }
    }

    /// What happened, oldest first; whenever there is something, what holds may be another.
    pub(crate) fn poll_event(&mut self) -> Option<What> {
        self.events.pop_front()
    }

    /// What holds of servers.
    pub(crate) fn servers(&self) -> Vec<ServerOverride> {
        let changes = self.changes.iter();
        let servers = changes.filter_map(|(object, change)| match object {
            Object::Server(service, server) => Some(ServerOverride {
                service: service.clone(),
                server: server.clone(),
                wish: wish(&change.action)?,
            }),
            Object::Priority(_) | Object::StandBy(_) => None,
        });
        servers.collect()
    }

    /// The priority of a virtual router; `None`: that of the configuration.
    pub(crate) fn priority(&self, router: &str) -> Option<u8> {
        let change = self.changes.get(&Object::Priority(router.to_owned()))?;
        match &change.action {
            Action::Priority { priority, .. } => Some(*priority),
            Action::Drain { .. }
            | Action::Failover { .. }
            | Action::Maintenance { .. }
            | Action::Ready { .. }
            | Action::Reload
            | Action::Restore { .. }
            | Action::Weight { .. } => None,
        }
    }

    /// Until when a virtual router stands by, alone or with its sync group; `None`: it does not.
    pub(crate) fn stand_by(&self, router: &str, known: &Known) -> Option<Instant> {
        let group = known
            .group_of(router)
            .map(|name| Party::Group(name.to_owned()));
        let parties = [Some(Party::Router(router.to_owned())), group];
        let parties = parties.into_iter().flatten();
        parties
            .filter_map(|party| self.changes.get(&Object::StandBy(party))?.until)
            .max()
    }

    fn end(&mut self, object: &Object, ending: Ending) -> Option<Change> {
        let change = self.changes.remove(object)?;
        self.events.push_back(What::ChangeEnded {
            action: change.action.to_string(),
            lapsed: ending == Ending::Lapsed,
        });
        Some(change)
    }
}

/// How a change ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Lapsed,
    TakenBack,
}

/// Of what an action is, and what it does to that.
fn effect(action: &Action, known: &Known) -> Result<Effect, Refusal> {
    match action {
        Action::Drain { service, server } => {
            of_server(known, service, server, |service, server| Action::Drain {
                service,
                server,
            })
        }
        Action::Failover { router } => stand_by(router, known),
        Action::Maintenance { service, server } => {
            of_server(known, service, server, |service, server| {
                Action::Maintenance { service, server }
            })
        }
        Action::Priority { router, priority } => match (known.router(router)?.election, priority) {
            (Election::Owner, _) => Err(Refusal::Owner(router.clone())),
            (Election::Ranked, 0 | 255) => Err(Refusal::Priority(*priority)),
            (Election::Ranked, _) => Ok(Effect {
                action: action.clone(),
                ends: Vec::new(),
                begins: Some(Object::Priority(router.clone())),
            }),
        },
        Action::Ready { service, server } => {
            let make = |service, server| Action::Ready { service, server };
            let mut effect = of_server(known, service, server, make)?;
            if known.server(service, server)?.admin == Admin::Ready {
                effect.ends.extend(effect.begins.take());
            }
            Ok(effect)
        }
        Action::Reload => Ok(Effect {
            action: Action::Reload,
            ends: Vec::new(),
            begins: None,
        }),
        Action::Restore { router } => restore(router, known),
        Action::Weight {
            service,
            server,
            weight,
        } => {
            Weight::new(*weight).map_err(|_| Refusal::Weight(*weight))?;
            let weight = *weight;
            of_server(known, service, server, |service, server| Action::Weight {
                service,
                server,
                weight,
            })
        }
    }
}

fn of_server(
    known: &Known,
    service: &str,
    server: &str,
    make: impl FnOnce(String, String) -> Action,
) -> Result<Effect, Refusal> {
    let (service, server) = (
        service.to_owned(),
        known.server(service, server)?.name.to_string(),
    );
    Ok(Effect {
        begins: Some(Object::Server(service.clone(), server.clone())),
        action: make(service, server),
        ends: Vec::new(),
    })
}

fn stand_by(name: &str, known: &Known) -> Result<Effect, Refusal> {
    let party = known.party(name)?;
    let router = match &party {
        Party::Group(name) | Party::Router(name) => name.clone(),
    };
    if !known.has_party(&party) {
        return Err(Refusal::Owner(router));
    }
    Ok(Effect {
        action: Action::Failover { router },
        ends: Vec::new(),
        begins: Some(Object::StandBy(party)),
    })
}

/// Of a virtual router what is its own, and what it stands by for with its sync group.
fn restore(name: &str, known: &Known) -> Result<Effect, Refusal> {
    let party = known.party(name)?;
    let routers = match &party {
        Party::Group(group) if group == name => known.members(group).to_vec(),
        Party::Group(_) | Party::Router(_) => vec![name.to_owned()],
    };
    let own = routers.into_iter().flat_map(|router| {
        let stands_by = Object::StandBy(Party::Router(router.clone()));
        [Object::Priority(router), stands_by]
    });
    let mut ends: Vec<Object> = own.collect();
    if matches!(party, Party::Group(_)) {
        ends.push(Object::StandBy(party));
    }
    Ok(Effect {
        action: Action::Restore {
            router: name.to_owned(),
        },
        ends,
        begins: None,
    })
}

/// How long it lasts; `None`: as long as nobody takes it back.
fn length(request: &Request, effect: &Effect) -> Result<Option<Duration>, Refusal> {
    let asked = request.for_ms.map(Duration::from_millis);
    if asked.is_some_and(|length| length.is_zero() || length > LONGEST) {
        return Err(Refusal::Time);
    }
    match (&effect.begins, asked) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Refusal::NothingLapses(effect.action.to_string())),
        (Some(Object::StandBy(_)), None) => Ok(Some(STAND_BY)),
        (Some(Object::Priority(_) | Object::Server(..) | Object::StandBy(_)), asked) => Ok(asked),
    }
}

const fn wish(action: &Action) -> Option<ServerWish> {
    match action {
        Action::Drain { .. } => Some(ServerWish::Drain),
        Action::Maintenance { .. } => Some(ServerWish::Maintenance),
        Action::Ready { .. } => Some(ServerWish::Ready),
        Action::Weight { weight, .. } => Some(ServerWish::Weight(*weight)),
        Action::Failover { .. }
        | Action::Priority { .. }
        | Action::Reload
        | Action::Restore { .. } => None,
    }
}

/// What begins.
fn in_words(action: &Action, object: &Object) -> String {
    match action {
        Action::Drain { service, server } => format!("server {server} of {service} drains"),
        Action::Failover { router } => match object {
            Object::StandBy(Party::Group(_)) => {
                format!("sync group {router} hands over and does not preempt")
            }
            Object::StandBy(Party::Router(_)) | Object::Priority(_) | Object::Server(..) => {
                format!("virtual router {router} hands over and does not preempt")
            }
        },
        Action::Maintenance { service, server } => {
            format!("server {server} of {service} is out for maintenance")
        }
        Action::Priority { router, priority } => {
            format!("virtual router {router} has priority {priority}")
        }
        Action::Ready { service, server } => format!(
            "server {server} of {service} serves when its checks pass, though the configuration drains it"
        ),
        Action::Reload => "the configuration is read again".to_owned(),
        Action::Restore { router } => format!("{router} is as configured"),
        Action::Weight {
            service,
            server,
            weight,
        } => format!("server {server} of {service} has weight {weight}"),
    }
}

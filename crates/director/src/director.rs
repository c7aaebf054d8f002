//! What is running, and what it tells about itself.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use async_trait::async_trait;
use locum_vrrp::{Event, EventKind, Group, Router, RouterConfig, RouterStatus, State};
use sd_notify::NotifyState;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::checker::Checker;
use crate::clock;
use crate::control::{Caller, Control, Done, Refused, Request};
use crate::journal::Journal;
use crate::report;
use crate::status::{StateName, Status};

/// What is running.
#[derive(Debug)]
pub(crate) struct Director {
    pub(crate) name: String,
    pub(crate) started: Instant,
    pub(crate) journal: Journal,
    /// The side that checks servers, if there are virtual services.
    pub(crate) checker: Option<Checker>,
    joined: OnceLock<Joined>,
}

/// Everything that takes part.
#[derive(Debug)]
pub(crate) struct Joined {
    /// In the order of the configuration, those of sync groups too.
    pub(crate) members: Vec<Member>,
    pub(crate) groups: Vec<Group>,
}

/// One virtual router.
#[derive(Debug)]
pub(crate) struct Member {
    config: RouterConfig,
    router: Router,
    pub(crate) status: watch::Receiver<RouterStatus>,
}

impl Member {
    pub(crate) fn new(config: RouterConfig, router: Router) -> Self {
        Self {
            config,
            status: router.watch(),
            router,
        }
    }
}

impl Director {
    pub(crate) fn new(name: String, started: Instant, checker: Option<Checker>) -> Self {
        Self {
            name,
            started,
            journal: Journal::default(),
            checker,
            joined: OnceLock::new(),
        }
    }

    /// The virtual routers; none before they may take part.
    pub(crate) fn members(&self) -> &[Member] {
        self.joined.get().map_or(&[], |joined| &joined.members)
    }

    /// From now on these take part.
    pub(crate) fn join(&self, joined: Joined) {
        // They join once, at the start.
        let _ = self.joined.set(joined);
        self.tell_masters();
    }

    /// Tells the checker side which routers are master. One that still answers until its successor does is.
    fn tell_masters(&self) {
        let Some(checker) = &self.checker else { return };
        let masters = self.members().iter().map(|member| {
            let state = member.status.borrow().state;
            let master = matches!(state, State::Master | State::Leaving);
            (member.router.name().to_string(), master)
        });
        checker.masters(masters.collect());
    }

    /// Writes down everything, until the node has ended.
    pub(crate) async fn record_all(&self, events: &mut mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            self.record(&event);
        }
    }

    fn record(&self, event: &Event) {
        let member = self
            .members()
            .iter()
            .find(|member| member.router.name() == event.router);
        self.journal.record(
            event,
            member.and_then(|member| member.status.borrow().last_master),
        );
        if matches!(event.kind, EventKind::Transition(_)) {
            notify(&[NotifyState::Status(&self.summary())]);
            self.tell_masters();
        }
    }

    /// One line for `systemctl status`, such as `1 backup, 2 master`.
    pub(crate) fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for member in self.members() {
            let state = StateName::from(member.status.borrow().state).to_string();
            *counts.entry(state).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        counts.join(", ")
    }
}

#[async_trait]
impl Control for Director {
    async fn status(&self) -> Status {
        let site = match &self.checker {
            Some(checker) => checker.report().await,
            None => None,
        };
        let now = clock::now();
        let routers = self.members().iter().map(|member| {
            let status = member.router.status();
            report::router(
                now,
                &member.config,
                &status,
                &self.journal.chapter(&status.name),
            )
        });
        let groups = self.joined.get().into_iter();
        let groups = groups
            .flat_map(|joined| &joined.groups)
            .map(|group| report::sync_group(now, &group.status()));
        Status {
            schema: Status::SCHEMA,
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: report::millis(now.saturating_duration_since(self.started)),
            routers: routers.collect(),
            sync_groups: groups.collect(),
            site,
            trackers: Vec::new(),
        }
    }

    async fn act(&self, _: Caller, request: Request) -> Result<Done, Refused> {
        Err(Refused {
            error: format!(
                "`{}` is not possible: this director cannot be changed at run time",
                request.action
            ),
        })
    }
}

/// Tells systemd, if it listens.
pub(crate) fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager could not be told");
    }
}

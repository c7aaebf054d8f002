//! Where the control socket turns to: it hands on what is asked to the hub's loop, and waits for the answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::clock;
use crate::control::{Caller, Control, Done, Refused, Request};
use crate::report::millis;
use crate::routers::RoutersReport;
use crate::status::{SiteReport, Status};

/// So many questions wait for the loop before the next has to wait outside.
pub(super) const QUEUE: usize = 64;

/// Whoever asks for the status does not wait longer for the part of a side.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where an answer goes.
pub(super) type Answer = oneshot::Sender<Result<Done, Refused>>;

/// What the hub's loop is asked.
#[derive(Debug)]
pub(super) enum Ask {
    Act(Caller, Request, Answer),
    /// To add to a status what the hub itself knows.
    Complete(Box<Status>, oneshot::Sender<Box<Status>>),
    /// To have both sides report.
    Report(oneshot::Sender<RoutersReport>, oneshot::Sender<SiteReport>),
}

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) name: String,
    pub(super) started: Instant,
    pub(super) asks: mpsc::Sender<Ask>,
}

#[async_trait]
impl Control for Desk {
    async fn status(&self) -> Status {
        let (routers, routers_report) = oneshot::channel();
        let (site, site_report) = oneshot::channel();
        // A loop that has ended answers as a side that is silent.
        let _ = self.asks.send(Ask::Report(routers, site)).await;
        let (routers, site) = tokio::join!(
            timeout(PATIENCE, routers_report),
            timeout(PATIENCE, site_report)
        );
        let routers = routers.ok().and_then(Result::ok).unwrap_or_default();
        let site = site.ok().and_then(Result::ok);
        let status = Status {
            schema: Status::SCHEMA,
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: millis(clock::now().saturating_duration_since(self.started)),
            routers: routers.routers,
            sync_groups: routers.sync_groups,
            trackers: Vec::new(),
            processes: Vec::new(),
            notifications: BTreeMap::new(),
            site: site.filter(|site| !site.services.is_empty()),
        };
        self.complete(status).await
    }

    async fn act(&self, caller: Caller, request: Request) -> Result<Done, Refused> {
        let (answer, answered) = oneshot::channel();
        // A loop that has ended drops the question, and with it where the answer goes.
        let _ = self.asks.send(Ask::Act(caller, request, answer)).await;
        answered.await.unwrap_or_else(|_| {
            Err(Refused {
                error: "this director is ending".to_owned(),
            })
        })
    }
}

impl Desk {
    async fn complete(&self, status: Status) -> Status {
        let (answer, completed) = oneshot::channel();
        let ask = Ask::Complete(Box::new(status.clone()), answer);
        let _ = self.asks.send(ask).await;
        completed.await.map_or(status, |status| *status)
    }
}

/// Who waits for the report of a side, by the number it was asked under.
#[derive(Debug)]
pub(super) struct Waiting<T>(BTreeMap<u64, oneshot::Sender<T>>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Waiting<T> {
    pub(super) fn add(&mut self, number: u64, answer: oneshot::Sender<T>) {
        // A side that hangs must not have them pile up.
        self.0.retain(|_, answer| !answer.is_closed());
        self.0.insert(number, answer);
    }

    pub(super) fn answer(&mut self, number: u64, report: T) {
        if let Some(answer) = self.0.remove(&number) {
            // It may have lost its patience.
            let _ = answer.send(report);
        }
    }

    /// Nobody will answer these.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

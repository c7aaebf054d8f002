//! Checks that do as they are told, and a runner of them on simulated time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::check::{CheckError, HealthCheck, Pass};
use crate::runner::{
    Probe, Report, Runner, RunnerLimits, Subscriber, SubscriberStatus, Subscription, clock,
};
use crate::schedule::Timing;
use crate::tracker::Health;

pub(in crate::runner) const MS: Duration = Duration::from_millis(1);
pub(in crate::runner) const SECOND: Duration = Duration::from_secs(1);

/// What a fake check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Keeps the whole program from doing anything else, then goes on as [`Act::Hang`].
    Block(Duration),
    Fail,
    Hang,
    Local,
    Panic,
    Pass,
    /// Passes after a while.
    Slow(Duration),
    Weight(u32),
}

/// A network of servers.
#[derive(Default)]
pub(in crate::runner) struct Net {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    acts: BTreeMap<SocketAddr, Act>,
    once: BTreeMap<SocketAddr, VecDeque<Act>>,
    begun: Vec<(Instant, SocketAddr)>,
    under_way: BTreeMap<SocketAddr, usize>,
    all: usize,
    most: usize,
    most_to_one: usize,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

/// Counts a probe while it lives.
struct UnderWay<'a>(&'a Net, SocketAddr);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap();
        state.all -= 1;
        *state.under_way.get_mut(&self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl HealthCheck for Net {
    async fn check(&self, target: SocketAddr) -> Result<Pass, CheckError> {
        let (act, _under_way) = self.begin(target);
        match act {
            Act::Block(time) => {
                tokio::time::advance(time).await;
                std::future::pending().await
            }
            Act::Fail => Err(CheckError::Refused),
            Act::Hang => std::future::pending().await,
            Act::Local => Err(CheckError::Local(io::Error::other("no descriptors"))),
            Act::Panic => panic!("a fault of the check"),
            Act::Pass => Ok(Pass::new()),
            Act::Slow(time) => {
                sleep(time).await;
                Ok(Pass::new())
            }
            Act::Weight(weight) => Ok(Pass::with_weight(weight)),
        }
    }
}

impl Net {
    fn begin(&self, target: SocketAddr) -> (Act, UnderWay<'_>) {
        let mut state = self.state.lock().unwrap();
        state.begun.push((clock::now(), target));
        let to_one = state.under_way.entry(target).or_default();
        *to_one += 1;
        let to_one = *to_one;
        state.most_to_one = state.most_to_one.max(to_one);
        state.all += 1;
        state.most = state.most.max(state.all);
        let once = state.once.get_mut(&target).and_then(VecDeque::pop_front);
        let act = once.or_else(|| state.acts.get(&target).copied());
        (act.unwrap_or(Act::Pass), UnderWay(self, target))
    }

    /// What this server does from now on.
    pub(super) fn act(&self, target: SocketAddr, act: Act) {
        self.state.lock().unwrap().acts.insert(target, act);
    }

    /// What this server does in the next probes, one each.
    pub(super) fn once(&self, target: SocketAddr, acts: &[Act]) {
        let mut state = self.state.lock().unwrap();
        state.once.entry(target).or_default().extend(acts);
    }

    /// When probes of this server began, since the last time this was asked.
    pub(super) fn take_begun(&self) -> Vec<(Instant, SocketAddr)> {
        std::mem::take(&mut self.state.lock().unwrap().begun)
    }

    /// How many probes were under way at most.
    pub(super) fn most(&self) -> usize {
        self.state.lock().unwrap().most
    }

    /// How many probes of one server were under way at most.
    pub(super) fn most_to_one(&self) -> usize {
        self.state.lock().unwrap().most_to_one
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.state.lock().unwrap().all
    }
}

/// A runner, its reports and its servers.
pub(super) struct World {
    pub(super) net: Arc<Net>,
    pub(super) runner: Runner,
    pub(super) reports: UnboundedReceiver<Report>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_limits(RunnerLimits::default())
    }

    pub(super) fn with_limits(limits: RunnerLimits) -> Self {
        let (runner, reports) = Runner::start(limits, 7);
        Self {
            net: Arc::default(),
            runner,
            reports,
        }
    }

    pub(super) fn probe(&self, target: SocketAddr, timing: Timing) -> Probe {
        Probe::new(
            target,
            "fake",
            Arc::clone(&self.net) as Arc<dyn HealthCheck>,
            timing,
        )
    }

    pub(super) fn subscription(
        &self,
        number: u64,
        target: SocketAddr,
        timing: Timing,
    ) -> Subscription {
        Subscription::new(Subscriber(number), self.probe(target, timing))
    }

    /// The state that a report tells of, if there is one.
    pub(super) fn reported(&mut self) -> Vec<(u64, Health)> {
        let mut reports = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            assert_eq!(
                report.error.is_some(),
                report.health == Health::Down,
                "{report:?}"
            );
            reports.push((report.subscriber.0, report.health));
        }
        reports
    }

    /// The status of the only subscriber.
    pub(super) async fn status(&self) -> SubscriberStatus {
        let status = self.runner.status().await.unwrap();
        let [status] = <[SubscriberStatus; 1]>::try_from(status).unwrap();
        status
    }

    /// The next report, within a simulated hour.
    pub(super) async fn report(&mut self) -> Report {
        let report = tokio::time::timeout(3600 * SECOND, self.reports.recv()).await;
        report.expect("nothing changes").expect("the runner runs")
    }
}

/// 192.0.2.x, or as many others as are wanted.
pub(in crate::runner) fn server(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 80))
}

pub(super) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Every 10 s, 1 s of patience, no jitter.
pub(super) fn timing() -> Timing {
    Timing::new(10 * SECOND, SECOND)
        .unwrap()
        .jitter_percent(0)
        .unwrap()
}

/// Waits for so long, while the runner does its work.
pub(super) async fn pass(time: Duration) {
    sleep(time).await;
}

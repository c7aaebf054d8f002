//! Runs many checks at their times, identical ones once.

mod clock;
mod core;
mod driver;
mod half_open;
mod lag;
mod limiter;
mod status;
#[cfg(test)]
mod tests;
mod way;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

pub use self::status::{Counts, SubscriberStatus, Totals};
use crate::check::{CheckError, HealthCheck};
use crate::schedule::Timing;
use crate::tracker::Health;

/// What a probe costs, for the caps on how many are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// TLS handshakes, and programs.
    Expensive,
    /// Packets and plain connections.
    Plain,
}

/// What to check, how and how often. Probes that are equal in all but the check itself, whose `identity` stands for
/// it, are run once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Probe {
    /// The server.
    pub target: SocketAddr,
    /// What `check` is, in words: the same text for checks that do the same.
    pub identity: Arc<str>,
    /// The check.
    pub check: Arc<dyn HealthCheck>,
    /// How often.
    pub timing: Timing,
    /// Its cost.
    pub class: Class,
}

impl Probe {
    /// A plain one.
    pub fn new(
        target: SocketAddr,
        identity: impl Into<Arc<str>>,
        check: Arc<dyn HealthCheck>,
        timing: Timing,
    ) -> Self {
        Self {
            target,
            identity: identity.into(),
            check,
            timing,
            class: Class::Plain,
        }
    }

    /// The same at another cost.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }
}

/// Who wants to know: a number of the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct Subscriber(pub u64);

/// Somebody's interest in a probe.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Subscription {
    /// Who wants to know. One subscriber has one probe.
    pub subscriber: Subscriber,
    /// What.
    pub probe: Probe,
    /// What is believed before the first result: [`Health::Unknown`], or what was known before a restart.
    pub initial: Health,
}

impl Subscription {
    /// Of a server of which nothing is known.
    #[must_use]
    pub const fn new(subscriber: Subscriber, probe: Probe) -> Self {
        Self {
            subscriber,
            probe,
            initial: Health::Unknown,
        }
    }

    /// The same, of a server of which this is believed.
    #[must_use]
    pub const fn initial(mut self, health: Health) -> Self {
        self.initial = health;
        self
    }
}

/// What a check found out, sent when the state or the weight that the server asks for changes, and after the first
/// result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Who wanted to know.
    pub subscriber: Subscriber,
    /// The state now.
    pub health: Health,
    /// The weight that the server asks for.
    pub weight: Option<u32>,
    /// Why it is down; `None` if it is not.
    pub error: Option<Arc<CheckError>>,
}

/// How many probes are under way at most. The others wait for their turn, in order; their timeout has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RunnerLimits {
    /// In all; 512 by default.
    pub in_flight: NonZeroUsize,
    /// To one address; 8 by default.
    pub per_target: NonZeroUsize,
    /// Of [`Class::Expensive`]; 32 by default.
    pub expensive: NonZeroUsize,
}

impl Default for RunnerLimits {
    fn default() -> Self {
        const fn number(number: usize) -> NonZeroUsize {
            match NonZeroUsize::new(number) {
                Some(number) => number,
                None => NonZeroUsize::MIN,
            }
        }
        Self {
            in_flight: number(512),
            per_target: number(8),
            expensive: number(32),
        }
    }
}

/// The runner has stopped: its runtime ended, or nobody received its reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the runner has stopped")]
#[non_exhaustive]
pub struct Stopped;

/// A handle to a task that probes. The task ends, and with it what is under way, when the last handle or the receiver
/// of the reports is dropped.
#[derive(Debug, Clone)]
pub struct Runner {
    commands: UnboundedSender<Command>,
}

#[derive(Debug)]
enum Command {
    CheckNow(Subscriber),
    Set(Vec<Subscription>),
    Status(oneshot::Sender<Vec<SubscriberStatus>>),
    Totals(oneshot::Sender<Totals>),
}

impl Runner {
    /// Starts one on the current runtime, with nothing to probe yet. `seed` is the machine's: another one probes the
    /// same servers at other times.
    ///
    /// Give it a runtime of one thread that does nothing else for long: what keeps that thread busy delays probes.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without timers.
    #[must_use]
    pub fn start(limits: RunnerLimits, seed: u64) -> (Self, UnboundedReceiver<Report>) {
        let (commands, receiver) = unbounded_channel();
        let (reporter, reports) = unbounded_channel();
        tokio::spawn(driver::run(limits, seed, receiver, reporter));
        (Self { commands }, reports)
    }

    /// Replaces all that is probed. What stays the same goes on as if nothing had been said: its state, its place in
    /// time and a probe under way. A new timing of the same check keeps the state. What is not there any more ends. If
    /// a subscriber occurs twice, its last subscription counts.
    ///
    /// # Errors
    ///
    /// The runner has stopped.
    pub fn set(&self, subscriptions: Vec<Subscription>) -> Result<(), Stopped> {
        self.send(Command::Set(subscriptions))
    }

    /// Makes a subscriber's probe due at once.
    ///
    /// # Errors
    ///
    /// The runner has stopped.
    pub fn check_now(&self, subscriber: Subscriber) -> Result<(), Stopped> {
        self.send(Command::CheckNow(subscriber))
    }

    /// What is known of each subscriber's probe, in the order of subscribers.
    ///
    /// # Errors
    ///
    /// The runner has stopped.
    pub async fn status(&self) -> Result<Vec<SubscriberStatus>, Stopped> {
        let (answer, status) = oneshot::channel();
        self.send(Command::Status(answer))?;
        status.await.map_err(|_| Stopped)
    }

    /// What the runner does and has done.
    ///
    /// # Errors
    ///
    /// The runner has stopped.
    pub async fn totals(&self) -> Result<Totals, Stopped> {
        let (answer, totals) = oneshot::channel();
        self.send(Command::Totals(answer))?;
        totals.await.map_err(|_| Stopped)
    }

    fn send(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).map_err(|_| Stopped)
    }
}

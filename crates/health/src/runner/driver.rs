//! The loop: one task, which begins a task for each probe that is under way, but for those that only connect: many of
//! them are made at once, without tasks.
//!
//! All it waits for can be dropped at any moment without losing anything.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use tokio::select;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Sleep, sleep_until, timeout};
use tracing::{error, warn};

use super::core::{Core, NotRun, Outcome, Start};
use super::half_open::Engine;
use super::way::Way;
use super::{Command, Report, RunnerLimits, clock};
use crate::check::CheckError;
use crate::schedule::ProbeId;

/// What keeps going wrong is logged once in so much time.
const QUIET: Duration = Duration::from_secs(10);

/// A probe that has ended.
struct Ended {
    id: ProbeId,
    at: Instant,
    outcome: Outcome,
}

enum Event {
    Command(Command),
    Ended(Result<Ended, JoinError>),
    Stop,
    Wake,
}

struct Driver {
    core: Core,
    engine: Engine,
    tasks: JoinSet<Ended>,
    running: BTreeMap<ProbeId, AbortHandle>,
    quiet_until: Option<Instant>,
    unlogged: u64,
}

/// Probes until nobody gives commands or receives reports any more.
pub(super) async fn run(
    limits: RunnerLimits,
    seed: u64,
    mut commands: UnboundedReceiver<Command>,
    reports: UnboundedSender<Report>,
) {
    let start = clock::now();
    let mut driver = Driver {
        core: Core::new(start, limits, seed),
        engine: Engine::new(start),
        tasks: JoinSet::new(),
        running: BTreeMap::new(),
        quiet_until: None,
        unlogged: 0,
    };
    let mut sleep = std::pin::pin!(sleep_until(start.into()));
    loop {
        let event = driver.event(&mut commands, sleep.as_mut()).await;
        let now = clock::now();
        driver.core.wake(now);
        match event {
            Event::Command(command) => driver.command(now, command),
            Event::Ended(ended) => {
                driver.ended(now, ended);
                while let Some(ended) = driver.tasks.try_join_next() {
                    driver.ended(now, ended);
                }
            }
            Event::Stop => return,
            Event::Wake => {}
        }
        driver.half_open(now);
        while let Some(start) = driver.core.poll_start(now) {
            driver.begin(now, start);
        }
        driver.engine.flush(now);
        while let Some(start) = driver.engine.poll_returned() {
            driver.connect(start);
        }
        while let Some(report) = driver.core.poll_report() {
            // A receiver that has gone is noticed below.
            let _gone = reports.send(report);
        }
        if reports.is_closed() {
            return;
        }
        if let Some(wake) = driver.poll_timeout(now)
            && sleep.deadline() != wake.into()
        {
            sleep.as_mut().reset(wake.into());
        }
    }
}

impl Driver {
    async fn event(
        &mut self,
        commands: &mut UnboundedReceiver<Command>,
        sleep: std::pin::Pin<&mut Sleep>,
    ) -> Event {
        let elapsed = sleep.is_elapsed();
        select! {
            biased;
            command = commands.recv() => command.map_or(Event::Stop, Event::Command),
            Some(ended) = self.tasks.join_next() => Event::Ended(ended),
            () = sleep, if !elapsed => Event::Wake,
        }
    }

    fn command(&mut self, now: Instant, command: Command) {
        // Whoever asked and has gone needs no answer.
        match command {
            Command::CheckNow(subscriber) => self.core.check_now(now, subscriber),
            Command::Set(subscriptions) => {
                self.core.set(now, subscriptions);
                while let Some(id) = self.core.poll_cancelled() {
                    self.engine.cancel(id);
                    if let Some(task) = self.running.remove(&id) {
                        task.abort();
                    }
                }
            }
            Command::Status(answer) => {
                let _gone = answer.send(self.core.status());
            }
            Command::Totals(answer) => {
                let mut totals = self.core.totals();
                totals.stray_answers = self.engine.strays();
                let _gone = answer.send(totals);
            }
        }
    }

    fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let engine = self.engine.poll_timeout(now);
        let engine = engine.map(|at| self.core.tick(at));
        let core = self.core.poll_timeout(now);
        [engine, core].into_iter().flatten().min()
    }

    /// Sees to the probes that are made without tasks.
    fn half_open(&mut self, now: Instant) {
        self.engine.turn(now);
        while let Some((id, outcome)) = self.engine.poll_ended() {
            self.finish(now, id, now, Way::HalfOpen, outcome);
        }
    }

    fn begin(&mut self, now: Instant, start: Start) {
        match start.way {
            Way::Connection => self.connect(start),
            Way::HalfOpen => self.engine.begin(now, start),
        }
    }

    /// Lets the check itself probe.
    fn connect(&mut self, start: Start) {
        let Start {
            id,
            target,
            check,
            window,
            way: _,
        } = start;
        let task = self.tasks.spawn(async move {
            let outcome = match timeout(window, check.check(target)).await {
                Ok(Ok(pass)) => Outcome::Passed(pass),
                Ok(Err(error)) => Outcome::Failed(error),
                Err(_elapsed) => Outcome::TimedOut,
            };
            Ended {
                id,
                at: clock::now(),
                outcome,
            }
        });
        self.running.insert(id, task);
    }

    fn ended(&mut self, now: Instant, ended: Result<Ended, JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            Err(failure) => match self.panicked(now, &failure) {
                Some(ended) => ended,
                // Cancelled, and forgotten then.
                None => return,
            },
        };
        self.running.remove(&ended.id);
        self.finish(now, ended.id, ended.at, Way::Connection, ended.outcome);
    }

    fn finish(&mut self, now: Instant, id: ProbeId, ended: Instant, way: Way, outcome: Outcome) {
        let not_run = self.core.finish(now, id, ended, way, outcome);
        if let Some(not_run) = not_run {
            self.log(now, &not_run);
        }
    }

    /// A check that panics is a fault of this program, and says nothing of the server.
    fn panicked(&self, now: Instant, failure: &JoinError) -> Option<Ended> {
        let (id, _) = self
            .running
            .iter()
            .find(|(_, task)| task.id() == failure.id())?;
        error!("a check panicked");
        Some(Ended {
            id: *id,
            at: now,
            outcome: Outcome::Failed(CheckError::Local(io::Error::other("the check panicked"))),
        })
    }

    fn log(&mut self, now: Instant, not_run: &NotRun) {
        if self.quiet_until.is_some_and(|until| now < until) {
            self.unlogged += 1;
            return;
        }
        let more = std::mem::take(&mut self.unlogged);
        self.quiet_until = Some(now + QUIET);
        match not_run {
            NotRun::Lagged(lag) => warn!(
                ?lag,
                more, "probes do not count, since this program was late itself"
            ),
            NotRun::Local(error) => warn!(
                error = error.as_ref() as &(dyn std::error::Error + 'static),
                more, "this machine could not probe"
            ),
        }
    }
}

//! The loop of the side: orders in, what happened out.

mod commit;

use std::fs::File;
use std::thread::JoinHandle as Thread;
use std::time::Duration;

use locum_vrrp::election::Tracking;
use locum_vrrp::{Event, Priority, RouterStatus};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::warn;

use super::agenda::Agenda;
use super::machine::Machine;
use super::message::{Notice, Order};
use super::plan::{self, Parties, Plan, Unit};
use super::roll::Roll;
use super::steps::{Did, Workshop};
use super::{Options, news};
use crate::clock;
use crate::config::Source;
use crate::journal::Journal;
use crate::recorder;
use crate::track::Verdict;
use crate::words::chain;

/// Runs the side of the virtual routers to its end, on this thread. It ends when it is told to, and when nobody is left
/// to tell it anything: gracefully in both cases.
pub(crate) fn run(
    options: Options,
    orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(live(options, orders, notices.clone())),
        Err(error) => Err(format!("there is no event loop: {error}")),
    };
    if let Err(why) = ended {
        // Without a parent nobody wants to know.
        let _ = notices.send(Notice::Failed(why));
    }
}

async fn live(
    options: Options,
    mut orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
) -> Result<(), String> {
    let Options {
        state_directory,
        record,
        beats,
    } = options;
    let machine = Machine::start(locum_vip::Options {
        state_directory: Some(state_directory.clone()),
        ..locum_vip::Options::default()
    });
    let machine = machine.map_err(|error| chain(&error))?;
    let recorder = record
        .map(|path| -> std::io::Result<Thread<()>> {
            let file = File::options().append(true).create(true).open(path)?;
            recorder::start(&machine.node, file)
        })
        .transpose()
        .map_err(|error| format!("the transcript cannot be written: {error}"))?;
    let mut events = machine.node.events();
    let shop =
        Workshop::new(machine, &state_directory, beats).map_err(|error| error.to_string())?;
    let mut side = Side {
        shop,
        notices,
        roll: Roll::default(),
        journal: Journal::default(),
        prepared: None,
        commit: None,
        agenda: Agenda::default(),
        step: None,
        leaving: JoinSet::new(),
        phase: Phase::Serving,
        records: recorder.is_some(),
    };
    let mut has_parent = true;
    while let Some(turn) = side.turn(&mut orders, &mut events, has_parent).await {
        match turn {
            Turn::Stepped(did) => side.stepped(did, &mut events)?,
            Turn::Left(unit) => side.left(unit, &mut events)?,
            Turn::Event(event) => side.tell(&event),
            Turn::Order(Some(order)) => side.obey(order).await,
            Turn::Order(None) => {
                has_parent = false;
                side.stop();
            }
        }
    }
    if let Some(recorder) = recorder {
        // The node has ended, and with it what is still to be written.
        let _ = recorder.join();
    }
    match side.phase {
        Phase::Stopping => Ok(()),
        Phase::Serving => Err("the virtual routers have ended by themselves".to_owned()),
    }
}

struct Side {
    shop: Workshop,
    notices: mpsc::UnboundedSender<Notice>,
    roll: Roll,
    journal: Journal,
    prepared: Option<Prepared>,
    commit: Option<Commit>,
    agenda: Agenda,
    /// The step that is under way.
    step: Option<Running>,
    /// Ends with each unit that leaves.
    leaving: JoinSet<Unit>,
    phase: Phase,
    /// There is a transcript.
    records: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Stopping,
}

struct Prepared {
    number: u64,
    parties: Parties,
    plan: Plan,
}

/// A plan that is being carried out.
struct Commit {
    number: u64,
    changes: Vec<String>,
    /// It is the first: then all of it has to work.
    is_start: bool,
}

struct Running {
    /// It adds routers: what they do is told of when they are on the roll.
    adds: bool,
    /// It had to wait, and is part of no commit any more.
    is_late: bool,
    work: JoinHandle<Did>,
}

enum Turn {
    Stepped(Did),
    Left(Result<Unit, JoinError>),
    Event(Event),
    /// `None`: the parent is gone.
    Order(Option<Order>),
}

impl Side {
    /// What comes next; `None` when the node has ended.
    async fn turn(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        events: &mut mpsc::UnboundedReceiver<Event>,
        has_parent: bool,
    ) -> Option<Turn> {
        let adds = self.step.as_ref().is_some_and(|step| step.adds);
        let step = &mut self.step;
        tokio::select! {
            biased;
            did = work(step) => Some(Turn::Stepped(did)),
            event = events.recv(), if !adds => event.map(Turn::Event),
            Some(unit) = self.leaving.join_next(), if !adds => Some(Turn::Left(unit)),
            order = orders.recv(), if has_parent => Some(Turn::Order(order)),
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Abort(number) => {
                self.prepared.take_if(|prepared| prepared.number == number);
            }
            Order::Commit { number, adopt } => self.commit(number, &adopt),
            Order::Hello(number) => {
                if self.shop.machine.node.ping().await.is_ok() {
                    self.notify(Notice::Hello(number));
                }
            }
            Order::Prepare { number, source } => {
                let result = self.prepare(number, &source);
                self.notify(Notice::Prepared { number, result });
            }
            Order::Report(number) => {
                // A node that has ended has published everything.
                let _ = self.shop.machine.node.publish().await;
                let report = self.roll.report(clock::now(), &self.journal);
                self.notify(Notice::Report(number, Box::new(report)));
            }
            Order::StandBy { router, for_ms } => self.stand_by(&router, for_ms).await,
            Order::Stop => self.stop(),
            Order::Track { router, verdict } => self.track(&router, verdict).await,
        }
    }

    fn notify(&self, notice: Notice) {
        // Without a parent nobody wants to know.
        let _ = self.notices.send(notice);
    }

    fn prepare(&mut self, number: u64, source: &Source) -> Result<Vec<String>, String> {
        if self.commit.is_some() || self.phase == Phase::Stopping {
            return Err("the virtual routers are still busy with the last change".to_owned());
        }
        let config = source.load().map_err(|error| error.to_string())?;
        let parties = Parties::from(&config);
        let plan = plan::plan(&self.shop.parties, &parties);
        let words = plan.words.clone();
        self.prepared = Some(Prepared {
            number,
            parties,
            plan,
        });
        Ok(words)
    }

    /// Tells what has happened until now, before anything that follows from it.
    fn tell_all(&self, events: &mut mpsc::UnboundedReceiver<Event>) {
        while let Ok(event) = events.try_recv() {
            self.tell(&event);
        }
    }

    fn tell(&self, event: &Event) {
        let status = self.roll.status(&event.router);
        let heard = status.as_ref().and_then(|status| status.last_master);
        self.journal.record(event, heard);
        let reason = self.journal.chapter(&event.router).reason;
        if let Some(what) = news::what(event, status.as_ref(), reason) {
            self.notify(Notice::Happened(what));
        }
    }

    async fn track(&self, name: &str, verdict: Verdict) {
        let Some(member) = self.roll.members.get(name) else {
            return;
        };
        let tracking = match verdict.fault {
            true => Tracking::Failed,
            false => Tracking::Recovered,
        };
        // One that is stopping need not be told.
        let _ = member.router.tracking(tracking).await;
        if member.config.election().priority().is_owner() {
            return;
        }
        let priority = Priority::new(verdict.priority);
        if let Err(error) = member.router.set_priority(priority).await {
            warn!(
                router = name,
                "the priority stays as it is: {}",
                chain(&error)
            );
        }
    }

    async fn stand_by(&self, name: &str, for_ms: Option<u64>) {
        let Some(member) = self.roll.members.get(name) else {
            return;
        };
        let now = clock::now();
        // A moment that is past ends it.
        let length = for_ms.map_or(Duration::ZERO, Duration::from_millis);
        let until = now.checked_add(length).or(Some(now));
        if let Err(error) = member.router.stand_by(until).await {
            warn!(router = name, "it does not stand by: {}", chain(&error));
        }
    }

    /// Has the node hand over and end, which ends the stream of events.
    fn stop(&mut self) {
        self.phase = Phase::Stopping;
        self.commit = None;
        self.agenda = Agenda::default();
        if let Some(step) = self.step.take() {
            step.work.abort();
        }
        let node = self.shop.machine.node.clone();
        tokio::spawn(async move { node.shutdown().await });
    }
}

/// The step that is under way, to its end; never, if there is none.
async fn work(step: &mut Option<Running>) -> Did {
    match step {
        Some(step) => match (&mut step.work).await {
            Ok(did) => did,
            Err(error) => Did {
                failed: vec![format!("a change was not carried out: {error}")],
                ..Did::default()
            },
        },
        None => std::future::pending().await,
    }
}

/// Writes down whom a router watches, for as long as it lives.
async fn follow(mut status: watch::Receiver<RouterStatus>, journal: Journal) {
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        journal.watches(&now);
    }
}

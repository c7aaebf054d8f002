//! The node's one loop: deadlines first, then commands and reports by turns with bounded batches of packets, so that
//! neither flood keeps the node from the other.
//!
//! Every branch of its `select!` is cancel safe: the timer and the readiness of sockets are only polled, and the
//! channels keep what was not taken.

mod actions;
mod changes;
mod deadlines;
mod flow;
mod groups;
mod links;
mod publishing;
mod routers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use locum_vip::AddressDriver;
use locum_vrrp_election::{Effect, Input};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use self::flow::{FLOW, Flow};
use crate::addresses::Report;
use crate::clock;
use crate::command::{Command, RouterId};
use crate::group::Groups;
use crate::instance::Instance;
use crate::lane::Lane;
use crate::link::LinkFacts;
use crate::receive::{self, NoVrid};
use crate::record::Record;
use crate::rhythm::{GATHERING, Rhythm};
use crate::status::{Event, EventKind};
use crate::timer::Timer;
use crate::transport::{LaneId, Transport};

/// How many packets are read before anything else gets its turn, and some more if they have been taken from the kernel.
const BATCH: usize = 64;
/// So many batches are read at most before a Backup's deadline is served, more than a queue holds: the Master may be in it.
const DOUBT: u16 = 256;
/// How long a router may take to stop.
const STOP_BOUND: Duration = Duration::from_secs(6);

/// Why the engine wants to wake up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Counted,
    Election(RouterId),
    Renewals,
    Reopen(LaneId),
    StopBound(RouterId),
}

enum Wake {
    Command(Option<Command>),
    Due,
    /// There is nothing to do, and soon there will be more to read.
    Lull(Duration),
    Readable(LaneId),
    Report(Report),
}

/// What is polled first.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Messages,
    Packets,
}

#[derive(Debug)]
pub(crate) struct Engine<T> {
    transport: T,
    timer: Timer,
    driver: Arc<dyn AddressDriver>,
    /// Where the address tasks run.
    address_runtime: Handle,
    commands: Option<mpsc::UnboundedReceiver<Command>>,
    reports: (
        mpsc::UnboundedSender<Report>,
        mpsc::UnboundedReceiver<Report>,
    ),
    lanes: BTreeMap<LaneId, Lane>,
    /// Each by itself, so that the tree is small and stays in the cache.
    routers: BTreeMap<RouterId, Box<Instance>>,
    groups: Groups,
    links: BTreeMap<Arc<str>, LinkFacts>,
    deadlines: BTreeSet<(Instant, Due)>,
    rhythm: Rhythm,
    /// The shortest interval of a router.
    shortest: Option<Duration>,
    flow: Flow,
    /// How often there was a lull.
    lulls: u8,
    /// How long it rested before it read what it reads now.
    rested: Duration,
    /// Whose leases are to be renewed, all together.
    renewals: BTreeSet<RouterId>,
    /// Who has counters to publish, in their order.
    counted: VecDeque<RouterId>,
    /// Backups whose deadlines are due and wait for their queues to be read.
    doubted: Vec<RouterId>,
    /// So many batches more may be read before them.
    doubt: u16,
    /// What failed while actions were carried out, on its way back into the election.
    failed: Vec<(RouterId, Effect)>,
    subscribers: Vec<mpsc::UnboundedSender<Event>>,
    recorder: Option<mpsc::UnboundedSender<Record>>,
    /// Whoever waits for the node's end; `Some` once it has been told to shut down.
    shutdown: Option<Vec<oneshot::Sender<()>>>,
    /// How many routers are on their way out.
    stopping: usize,
    last_id: u64,
    last_lane: u32,
}

impl<T: Transport> Engine<T> {
    pub(crate) fn new(
        transport: T,
        timer: Timer,
        driver: Arc<dyn AddressDriver>,
        address_runtime: Handle,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            transport,
            timer,
            driver,
            address_runtime,
            commands: Some(commands),
            reports: mpsc::unbounded_channel(),
            lanes: BTreeMap::new(),
            routers: BTreeMap::new(),
            groups: Groups::new(),
            links: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            rhythm: Rhythm::new(clock::now()),
            shortest: None,
            flow: Flow::Ebbs,
            lulls: 0,
            rested: Duration::ZERO,
            renewals: BTreeSet::new(),
            counted: VecDeque::new(),
            doubted: Vec::new(),
            doubt: DOUBT,
            failed: Vec::new(),
            subscribers: Vec::new(),
            recorder: None,
            stopping: 0,
            shutdown: None,
            last_id: 0,
            last_lane: 0,
        }
    }

    /// Runs until the node has been shut down; returns whoever waits for that.
    pub(crate) async fn run(mut self) -> Vec<oneshot::Sender<()>> {
        let mut turn = Turn::Messages;
        loop {
            self.serve_all_due();
            if self.stopping > 0 {
                self.remove_stopped(clock::now());
            }
            if self.routers.is_empty()
                && let Some(waiting) = self.shutdown.take()
            {
                return waiting;
            }
            let next = self.deadlines.first().map(|(at, _)| *at);
            let lull = self.lull();
            let (transport, commands) = (&mut self.transport, &mut self.commands);
            let reports = &mut self.reports.1;
            // While there is more to do than can be done, nothing is waited for.
            let mut waited = false;
            let inputs = poll_fn(|cx| {
                let wake = poll_inputs(cx, turn, transport, commands, reports);
                if let (Poll::Pending, Some(lull)) = (&wake, lull) {
                    return Poll::Ready(Wake::Lull(lull));
                }
                waited |= wake.is_pending();
                wake
            });
            let wake = tokio::select! {
                biased;
                () = self.timer.until(next) => Wake::Due,
                wake = inputs => wake,
            };
            turn = match wake {
                Wake::Readable(_) => Turn::Messages,
                Wake::Command(_) | Wake::Due | Wake::Lull(_) | Wake::Report(_) => Turn::Packets,
            };
            match wake {
                Wake::Due => {}
                Wake::Command(Some(command)) => self.command(clock::now(), command),
                Wake::Command(None) => {
                    // Nobody holds a handle any more.
                    self.commands = None;
                    self.shut_down(clock::now());
                }
                Wake::Report(report) => self.reported(clock::now(), report),
                Wake::Lull(lull) => self.rest(next, lull).await,
                Wake::Readable(lane) => {
                    if waited {
                        self.rested = Duration::ZERO;
                        self.gather(next, GATHERING);
                    }
                    self.read(lane);
                }
            }
        }
    }

    /// Serves all deadlines, the doubtful ones once their queues have been read.
    fn serve_all_due(&mut self) {
        self.doubt = DOUBT;
        loop {
            self.serve_due(clock::now());
            self.doubt = self.doubt.saturating_sub(1);
            let doubted = std::mem::take(&mut self.doubted);
            let Some(router) = doubted.iter().find_map(|id| self.routers.get(id)) else {
                self.doubt = DOUBT;
                return;
            };
            let lane = router.lane;
            self.transport.look_anyway(lane);
            self.read(lane);
            for id in doubted {
                self.queue(id);
            }
        }
    }

    fn read(&mut self, id: LaneId) {
        // No later than when the socket was last asked: what is read at once is given out one by one.
        let began = clock::now();
        let mut now = began;
        let mut read = 0;
        while read < BATCH || self.transport.is_amid_batch() {
            if !self.transport.is_amid_batch() {
                if read > 0 {
                    now = clock::now();
                }
                self.serve_due(now);
            }
            read += 1;
            if read == FLOW {
                self.flow = Flow::Runs;
            }
            let Self {
                transport,
                lanes,
                routers,
                ..
            } = self;
            let Some(lane) = lanes.get_mut(&id) else {
                return;
            };
            let datagram = match transport.receive(id) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => {
                    lane.read_to_its_end = Some(began);
                    return;
                }
                Err(_) => {
                    lane.read_to_its_end = Some(began);
                    lane.counters.receive_errors += 1;
                    return;
                }
            };
            if datagram.is_another {
                lane.read_to_its_end = Some(began);
            }
            if let Some(total) = datagram.overflows {
                lane.overflowed(datagram.carrier, total);
            }
            let vrid = match receive::vrid(&datagram) {
                Ok(vrid) => vrid,
                Err(NoVrid::Foreign) => continue,
                Err(NoVrid::Malformed) => {
                    lane.counters.malformed += 1;
                    continue;
                }
            };
            let Some(router_id) = lane.router(vrid) else {
                lane.counters.unknown_vrid += 1;
                continue;
            };
            let Some(router) = routers.get_mut(&router_id) else {
                continue;
            };
            let Instance {
                receiver,
                config,
                dropped,
                said,
                packet,
                ..
            } = &mut **router;
            let waited = datagram.waited;
            let Some(heard) = receiver.hear(clock::wall, config, &datagram, dropped) else {
                self.publish_in_time(now, router_id);
                continue;
            };
            if let Some(sequence) = heard.sequence {
                packet.heard(sequence);
            }
            let source = heard.advert.source;
            let was_said = said.other_addresses == Some(source);
            let news = heard.other_addresses && !was_said;
            if heard.other_addresses {
                said.other_addresses = Some(source);
            } else if was_said {
                said.other_addresses = None;
            }
            // The Master is no longer alive for its words having been kept waiting. If they waited longer, this process did
            // not run, or the clock was set.
            let at = now.checked_sub(waited.min(self.rested));
            // What the election refuses, it counts.
            let _ = self.feed(
                at.unwrap_or(now),
                router_id,
                Input::Advertisement(heard.advert),
            );
            if news {
                self.say(now, router_id, EventKind::OtherAddresses { source });
            }
        }
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Add {
                name,
                config,
                start,
                reply,
            } => {
                let added = self.add(now, name, *config, start);
                let id = added.as_ref().ok().map(|(id, _)| *id);
                if reply.send(added).is_err()
                    && let Some(id) = id
                {
                    // Whoever asked gave up waiting, and nobody else could stop it.
                    self.stop(now, id, None);
                }
            }
            Command::AddGroup {
                name,
                members,
                reply,
            } => {
                let added = self.add_group(now, name, members);
                let routers = added.as_ref().ok().map(|(routers, _)| routers);
                let first = routers.and_then(|routers| Some(routers.first()?.0));
                if reply.send(added).is_err()
                    && let Some(first) = first
                {
                    self.stop(now, first, None);
                }
            }
            Command::Publish(reply) => {
                self.publish_all(now);
                let _ = reply.send(());
            }
            Command::Ping(reply) => {
                self.serve_all_due();
                let _ = reply.send(());
            }
            Command::Reconfigure { id, config, reply } => {
                let result = self.reconfigure(now, id, *config);
                // A lease that has become longer is needed now.
                self.renew_all(now);
                let _ = reply.send(result);
            }
            Command::Record(recorder) => {
                // Should nobody read it, the first record says so.
                self.recorder = Some(recorder);
                self.record(Record::Begin { epoch: now });
            }
            Command::SetLink { interface, facts } => self.set_link(now, &interface, facts),
            Command::SetPriority {
                id,
                priority,
                reply,
            } => {
                let result = self.change(now, id, Input::SetPriority(priority));
                let _ = reply.send(result);
            }
            Command::Shutdown(reply) => {
                self.shut_down(now);
                self.shutdown.get_or_insert_default().push(reply);
            }
            Command::StandBy { id, until, reply } => {
                let time = until.map(|until| until.saturating_duration_since(now));
                let result = self.change(now, id, Input::StandBy { time });
                let _ = reply.send(result);
            }
            Command::Stop { id, reply } => self.stop(now, id, Some(reply)),
            Command::Subscribe(subscriber) => self.subscribers.push(subscriber),
            Command::Tracking {
                id,
                tracking,
                reply,
            } => {
                let result = self.change(now, id, Input::Tracking(tracking));
                let _ = reply.send(result);
            }
        }
    }

    /// Nobody waits for the reader, and without one there is nothing to write down.
    fn record(&mut self, record: Record) {
        if let Some(recorder) = &self.recorder
            && recorder.send(record).is_err()
        {
            self.recorder = None;
        }
    }

    fn say(&mut self, at: Instant, router: RouterId, kind: EventKind) {
        if self.subscribers.is_empty() {
            return;
        }
        if let Some(router) = self.routers.get(&router) {
            let event = Event {
                router: Arc::clone(&router.name),
                at,
                kind,
            };
            self.subscribers
                .retain(|subscriber| subscriber.send(event.clone()).is_ok());
        }
    }
}

/// The next message or lane to be read, whosever turn it is. A command of `None`: there is nobody left to give one.
fn poll_inputs(
    cx: &mut Context<'_>,
    turn: Turn,
    transport: &mut impl Transport,
    commands: &mut Option<mpsc::UnboundedReceiver<Command>>,
    reports: &mut mpsc::UnboundedReceiver<Report>,
) -> Poll<Wake> {
    if matches!(turn, Turn::Packets)
        && let Poll::Ready(lane) = transport.poll_readable(cx)
    {
        return Poll::Ready(Wake::Readable(lane));
    }
    if let Some(commands) = commands
        && let Poll::Ready(command) = commands.poll_recv(cx)
    {
        return Poll::Ready(Wake::Command(command));
    }
    if let Poll::Ready(Some(report)) = reports.poll_recv(cx) {
        return Poll::Ready(Wake::Report(report));
    }
    transport.poll_readable(cx).map(Wake::Readable)
}

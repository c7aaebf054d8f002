//! The loop of the checker side: reports of checks in, changes of the kernel's table out.

mod first;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum_health::{Runner, RunnerLimits};
use locum_ipvs::{Connection, Snapshot};
use locum_netlink::{Worker, WorkerError};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{error, warn};

use super::ending;
use super::errand::{Daemons, Done, Errand};
use super::keeper::{Keeper, Look};
use super::ledger::Ledger;
use super::message::{Notice, Order};
use super::opening::Opening;
use super::{Options, changes, notice, probes, roles};
use crate::clock;
use crate::config::{Config, Draft, Memory, Source};
use crate::overrides::ServerOverride;
use crate::pool::{Checks, Input, Pools};
use crate::site::Site;
use crate::words::chain;

/// Changes that follow each other this fast become one plan…
const GATHER: Duration = Duration::from_millis(50);

/// …unless the first of them has waited this long.
const LONGEST_GATHER: Duration = Duration::from_millis(400);

/// After a failure the table is read again so soon.
const RETRY: Duration = Duration::from_secs(1);

/// A configuration, valid, with its text, and what was done for it already.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) config: Config,
    pub(crate) source: Source,
    pub(crate) opening: Option<Opening>,
}

/// Runs the checker side to its end, on this thread. `first` is what it knows already: [`Draft::Known`].
pub(crate) fn run(
    options: Options,
    first: Option<First>,
    orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(live(options, first, orders, notices)),
        Err(error) => error!(%error, "the checks cannot run: there is no event loop"),
    }
}

async fn live(
    options: Options,
    first: Option<First>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let (runner, mut reports) = Runner::start(RunnerLimits::default(), probes::seed(&options.name));
    let (finish, mut finished) = mpsc::unbounded_channel();
    let mut side = Side::new(options.state_directory, first, runner, notices, finish);
    loop {
        side.send_errand(clock::now());
        side.tell();
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Stop) => break,
                Some(order) => side.obey(order).await,
                // The parent has died: another one carries on with the table and the daemons, unless it does not know of them.
                None => return,
            },
            Some(done) = finished.recv() => side.returned(done),
            Some(report) = reports.recv() => {
                side.checked(&report);
                while let Ok(report) = reports.try_recv() {
                    side.checked(&report);
                }
            }
            () = sleep_until(side.wake().into()) => side.pools.handle(clock::now(), Input::Timeout),
        }
    }
    side.stop(&mut finished).await;
}

struct Side {
    site: Arc<Site>,
    pools: Pools,
    runner: Runner,
    /// Opened when there is something to keep: machines without services need no IPVS.
    kernel: Option<Worker<Keeper<Connection>>>,
    state_directory: PathBuf,
    /// Known from the beginning, until a first configuration is prepared.
    first: Option<(Config, Source)>,
    /// What was done for that, until this side goes on with it.
    opening: Option<Opening>,
    prepared: Option<Prepared>,
    /// The text of the configuration in force, with its number.
    taken: Option<(u64, Source)>,
    /// What the next one need not be read again for.
    memory: Memory,
    ledger: Ledger,
    masters: BTreeMap<String, bool>,
    /// What the operator wants otherwise than the configuration says.
    wishes: Vec<ServerOverride>,
    notices: mpsc::UnboundedSender<Notice>,
    finish: mpsc::UnboundedSender<Result<Done, WorkerError>>,
    /// An errand is under way; was everything checked once when it left?
    busy: Option<Checked>,
    /// The table has to be looked at then, since something changed.
    look_at: Option<Instant>,
    /// The first change of those that the look is for.
    changed_at: Option<Instant>,
    /// It has to be read then.
    read_at: Instant,
    daemons_due: bool,
    /// The first table is on its way: packets wait for that, news can wait until it is there.
    is_first: bool,
    /// Virtual routers wait at most until then; `None`: they do not wait any more.
    waiting_until: Option<Instant>,
}

/// A configuration that may be taken next.
struct Prepared {
    number: u64,
    source: Source,
    site: Arc<Site>,
    memory: Memory,
    changes: Vec<String>,
}

/// Has every server been checked once?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checked {
    All,
    NotAll,
}

impl Checked {
    fn now(pools: &Pools) -> Self {
        if pools.first_round_done() {
            Self::All
        } else {
            Self::NotAll
        }
    }
}

impl Side {
    /// One without services.
    fn new(
        state_directory: PathBuf,
        first: Option<First>,
        runner: Runner,
        notices: mpsc::UnboundedSender<Notice>,
        finish: mpsc::UnboundedSender<Result<Done, WorkerError>>,
    ) -> Self {
        let (now, site) = (clock::now(), Arc::<Site>::default());
        let (first, opening) = first
            .map(|first| ((first.config, first.source), first.opening))
            .unzip();
        Self {
            waiting_until: now.checked_add(site.ipvs.start_bound),
            daemons_due: false,
            is_first: false,
            pools: Pools::new(now, &site, &Snapshot::default()),
            site,
            runner,
            kernel: None,
            state_directory,
            first,
            opening: opening.flatten(),
            prepared: None,
            taken: None,
            memory: Memory::default(),
            ledger: Ledger::default(),
            masters: BTreeMap::new(),
            wishes: Vec::new(),
            notices,
            finish,
            busy: None,
            look_at: None,
            changed_at: None,
            read_at: now,
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Abort(number) => {
                self.prepared.take_if(|prepared| prepared.number == number);
            }
            Order::Commit(number) => self.commit(number).await,
            Order::Hello(number) => self.say(Notice::Hello(number)),
            Order::Masters(masters) => self.follow(masters),
            Order::Override(wishes) => self.change(wishes),
            Order::Prepare { number, draft } => {
                let result = self.prepare(number, draft);
                self.say(Notice::Prepared { number, result });
            }
            Order::Report(number) => self.report(number).await,
            // The loop ends before.
            Order::Stop => {}
        }
    }

    fn say(&self, notice: Notice) {
        // Without a parent nobody wants to know.
        let _ = self.notices.send(notice);
    }

    fn prepare(&mut self, number: u64, draft: Draft) -> Result<Vec<String>, String> {
        let (config, source) = match (draft, self.first.take()) {
            (Draft::Known, Some(first)) => first,
            (draft, _) => {
                let source = draft.complete(self.taken.as_ref());
                let source = source.map_err(|error| error.to_string())?;
                let config = source.load_after(&self.memory);
                let config = config.map_err(|error| error.to_string())?;
                (config, source)
            }
        };
        let changes = match self.taken {
            Some(_) => changes::words(&self.site, &config.site),
            // It would be all of it.
            None => Vec::new(),
        };
        self.prepared = Some(Prepared {
            number,
            source,
            site: config.site,
            memory: config.memory,
            changes: changes.clone(),
        });
        Ok(changes)
    }

    async fn commit(&mut self, number: u64) {
        let Some(prepared) = self.prepared.take_if(|prepared| prepared.number == number) else {
            error!("a change was to be carried out that is not prepared");
            return;
        };
        let Prepared {
            source,
            site,
            memory,
            changes,
            ..
        } = prepared;
        self.taken = Some((number, source));
        self.memory = memory;
        match self.kernel {
            Some(_) => self.replace(site),
            None => self.begin(site).await,
        }
        self.say(Notice::Committed { number, changes });
    }

    /// Takes another configuration; what is the same in it goes on.
    fn replace(&mut self, site: Arc<Site>) {
        let now = clock::now();
        self.site = site;
        let checks = self.pools.replace(now, &self.site);
        if checks == Checks::Others || probes::have_files(&self.pools) {
            self.check();
        }
        self.daemons_due = true;
        // At once, by what was written last; and soon by what the kernel really has, which takes longer to read.
        self.look_at = Some(now);
        self.read_at = self.read_at.min(now + RETRY);
    }

    /// Has the runner check what the pools have.
    fn check(&self) {
        let checks = probes::subscriptions(&self.pools);
        match checks.map(|subscriptions| self.runner.set(subscriptions)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => error!("the servers are not checked: {}", chain(&error)),
            Err(error) => error!("the servers are not checked: {}", chain(&error)),
        }
    }

    /// When the loop has to go round without anything happening.
    fn wake(&self) -> Instant {
        let errand = match (&self.busy, &self.kernel) {
            (Some(_), _) | (_, None) => None,
            (None, Some(_)) => Some(
                self.look_at
                    .map_or(self.read_at, |look| look.min(self.read_at)),
            ),
        };
        let times = [errand, self.waiting_until, self.pools.poll_timeout()];
        let far = clock::now() + self.site.ipvs.reconcile_interval;
        times.into_iter().flatten().min().unwrap_or(far)
    }

    fn follow(&mut self, masters: BTreeMap<String, bool>) {
        self.masters = masters;
        if self.site.ipvs.sync.is_some() {
            self.daemons_due = true;
            self.look_at = Some(clock::now());
        }
    }

    /// Takes what the operator wants of servers at run time.
    fn change(&mut self, wishes: Vec<ServerOverride>) {
        let now = clock::now();
        self.pools.override_servers(now, &wishes);
        self.wishes = wishes;
        self.look_soon(now);
    }

    fn checked(&mut self, report: &locum_health::Report) {
        let now = clock::now();
        self.pools.handle(now, probes::input(report));
        self.look_soon(now);
    }

    fn look_soon(&mut self, now: Instant) {
        let first = *self.changed_at.get_or_insert(now);
        self.look_at = Some((now + GATHER).min(first + LONGEST_GATHER));
    }

    /// Sends somebody to the kernel if there is something to do there and nobody is.
    fn send_errand(&mut self, now: Instant) {
        let reads = now >= self.read_at;
        let looks = self.look_at.is_some_and(|at| now >= at);
        let Some(kernel) = &self.kernel else { return };
        if self.busy.is_some() || !(reads || looks) {
            return;
        }
        let (kernel, finish) = (kernel.clone(), self.finish.clone());
        let sync = self.site.ipvs.sync.as_ref();
        let daemons = sync.filter(|_| reads || self.daemons_due);
        let errand = Errand {
            look: if reads { Look::Read } else { Look::Trust },
            daemons: daemons.map(|sync| roles::daemons(sync, &self.masters)),
            ..Errand::of(&self.site, &self.pools)
        };
        self.look_at = None;
        self.changed_at = None;
        self.daemons_due = false;
        self.busy = Some(Checked::now(&self.pools));
        tokio::spawn(async move {
            let done = kernel.run(move |keeper| errand.run(keeper)).await;
            // The loop has not ended, or nobody wants to know.
            let _ = finish.send(done);
        });
    }

    fn returned(&mut self, done: Result<Done, WorkerError>) {
        let now = clock::now();
        let checked = self.busy.take();
        self.is_first = false;
        match done {
            Ok(done) => self.finished(now, checked, done),
            Err(error) => {
                error!(%error, "the kernel's IPVS table is not kept");
                self.read_at = now + RETRY;
                self.be_ready();
            }
        }
    }

    fn finished(&mut self, now: Instant, checked: Option<Checked>, done: Done) {
        let Done {
            mut outcome,
            daemons,
            timeouts,
        } = done;
        if let Some(read) = outcome.read.take() {
            self.pools.handle(now, Input::Kernel(&read));
            outcome.read = Some(Snapshot::default());
            self.read_at = now + self.site.ipvs.reconcile_interval;
            self.look_soon(now);
        }
        if !outcome.is_complete() {
            self.read_at = now + RETRY.min(self.site.ipvs.reconcile_interval);
        }
        self.ledger.table(now, &outcome);
        if let Some(Daemons { wanted, result }) = &daemons {
            self.ledger.daemons(wanted, result);
        }
        if let Err(error) = &timeouts {
            Ledger::timeouts(error);
        }
        // Without IPVS the pair goes on working.
        if checked == Some(Checked::All) && outcome.is_complete() || outcome.is_hopeless() {
            self.be_ready();
        }
    }

    fn be_ready(&mut self) {
        if self.waiting_until.take().is_some() {
            self.say(Notice::Ready);
        }
    }

    /// Tells what has happened meanwhile: to the log and to the parent.
    fn tell(&mut self) {
        let now = clock::now();
        while !self.is_first
            && let Some(event) = self.pools.poll_event()
        {
            notice::log(&event);
            self.say(Notice::Happened(notice::what(event)));
            self.look_soon(now);
        }
        if self.waiting_until.is_some_and(|until| now >= until) {
            warn!(
                "not every server has been checked in {} s: the virtual routers do not wait longer",
                self.site.ipvs.start_bound.as_secs()
            );
            self.be_ready();
        }
    }

    async fn report(&self, number: u64) {
        let totals = self.runner.totals().await.unwrap_or_default();
        let now = clock::now();
        let report = probes::report(now, &self.site, &self.pools, totals, &self.ledger);
        self.say(Notice::Report(number, Box::new(report)));
    }

    /// The daemons stop first, then the table goes.
    async fn stop(self, finished: &mut mpsc::UnboundedReceiver<Result<Done, WorkerError>>) {
        drop(self.runner);
        let Some(kernel) = self.kernel else { return };
        if self.busy.is_some() {
            let _ = finished.recv().await;
        }
        let has_daemons = self.site.ipvs.sync.is_some();
        let on_stop = self.site.ipvs.on_stop;
        let ended = kernel.run(move |keeper| ending::end(on_stop, has_daemons, keeper));
        if let Err(error) = ended.await {
            error!(%error, "the kernel's IPVS table is left as it is");
        }
    }
}

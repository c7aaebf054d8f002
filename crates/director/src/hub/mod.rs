//! The parent of all sides: it reads the configuration, has the sides take it, and hears what happens.

mod commit;
mod desk;
mod kept;
mod programs;
mod reload;
mod sides;
mod start;
mod systemd;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{error, info, warn};

pub use self::start::{Claim, Ended, Mode, Options, RunError, run};

use self::commit::{Input, Party};
use self::desk::{Ask, Waiting};
use self::kept::{Kept, Wish};
use self::reload::{Attempt, First};
use self::sides::{Heard, Sides, Started};
use self::systemd::Watchdog;
use self::telling::answers;
use crate::checker;
use crate::clock;
use crate::control::{Action, Caller, Done, Refused, Request};
use crate::events::{Stream, What};
use crate::notify::Notifications;
use crate::overrides::Overrides;
use crate::process::{Loss, Side};
use crate::routers::{self, RoutersReport};
use crate::signals::{Received, Signals};
use crate::status::{SiteReport, StateName};
use crate::track::{self, Health, Verdict};
use crate::words::brief;

/// A side that has not ended so long after it was told to is not waited for.
const LEAVING: Duration = Duration::from_secs(15);

/// So long it may take then; killed, it still has a moment to be heard of.
const PATIENCE: Duration = Duration::from_secs(14);

/// Why nothing is changed before it runs, and when it ends.
const NOT_NOW: &str = "this director is starting or ending: try again when it runs";

/// The state of the whole.
struct Hub {
    name: String,
    path: PathBuf,
    sides: Sides,
    stage: Stage,
    stream: Stream,
    notifications: Notifications,
    trackers: track::Driver,
    overrides: Overrides,
    /// What is watched for each virtual router, where anything is.
    verdicts: BTreeMap<String, Verdict>,
    /// What each virtual router was told last beyond its configuration.
    told: BTreeMap<String, Wish>,
    /// The configuration in force.
    kept: Option<Kept>,
    /// Under which number the checker side has taken it.
    checker_has: Option<u64>,
    /// The state of each virtual router.
    states: BTreeMap<String, StateName>,
    /// The first configuration, until the sides run.
    first: Option<First>,
    /// The change that is under way.
    attempt: Option<Attempt>,
    /// Who has started since that began, and knows nothing of it.
    fresh: BTreeSet<Party>,
    /// The number of the last change that the virtual routers were told to carry out.
    generation: u64,
    /// Who wants another reload after that.
    next: Option<Vec<desk::Answer>>,
    routers_asked: Waiting<RoutersReport>,
    site_asked: Waiting<SiteReport>,
    watchdog: Watchdog,
    /// Numbers everything that is answered.
    number: u64,
    /// What made it end, if that was no signal.
    failure: Option<RunError>,
}

/// Where the program is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Running,
    /// This side has been told to end, and is waited for until then.
    Leaving {
        party: Party,
        until: Option<Instant>,
    },
    Over(Ended),
}

impl Hub {
    /// From the first configuration to the end.
    async fn live(
        &mut self,
        signals: &mut Signals,
        asks: &mut mpsc::Receiver<Ask>,
    ) -> Result<Ended, RunError> {
        loop {
            let wake = self.poll_timeout();
            tokio::select! {
                heard = self.sides.next() => self.hear(heard),
                signal = signals.next() => self.signal(signal),
                Some(ask) = asks.recv() => self.ask(ask),
                told = self.trackers.recv() => self.tracked(told),
                () = sleep_until(wake.into()) => self.handle_timeout(clock::now()),
            }
            self.follow_overrides();
            if let Stage::Over(ended) = self.stage {
                return self.failure.take().map_or(Ok(ended), Err);
            }
        }
    }

    fn poll_timeout(&self) -> Instant {
        let now = clock::now();
        let leaving = match self.stage {
            Stage::Leaving { until, .. } => until,
            Stage::Starting | Stage::Running | Stage::Over(_) => None,
        };
        let attempt = self.attempt.as_ref();
        let times = [
            leaving,
            attempt.and_then(|attempt| attempt.machine.poll_timeout()),
            self.overrides.poll_timeout(),
            self.watchdog.poll_timeout(),
        ];
        let far = now + Duration::from_secs(3600);
        times.into_iter().flatten().min().unwrap_or(far)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.overrides.handle_timeout(now);
        // A process is asked all the time: see what it is started with.
        if self.watchdog.is_due(now) && !self.sides.are_processes() {
            let number = self.number();
            self.sides.routers(routers::Order::Hello(number));
        }
        let attempt = self.attempt.as_ref();
        let deadline = attempt.and_then(|attempt| attempt.machine.poll_timeout());
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.feed(Input::Timeout);
        }
        if let Stage::Leaving { party, until } = self.stage
            && until.is_some_and(|until| until <= now)
        {
            warn!("the {party} process has not ended in time");
            self.has_left(party);
        }
    }

    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn signal(&mut self, signal: Received) {
        match (signal, self.stage) {
            (Received::Reload, _) => self.reload(None),
            (Received::End(_), Stage::Leaving { .. }) => self.stage = Stage::Over(Ended::AtOnce),
            (Received::End(name), Stage::Starting | Stage::Running) => {
                info!("{name} received: handing over; a second one ends at once");
                self.leave();
            }
            (Received::End(_), Stage::Over(_)) => {}
        }
    }

    /// Begins the end: the virtual routers hand over first, since an address without services answers with resets.
    fn leave(&mut self) {
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Over(_)) {
            return;
        }
        systemd::stopping();
        self.first = None;
        self.attempt = None;
        self.next = None;
        self.sides.stop(Party::Routers, PATIENCE);
        self.leaving(Party::Routers);
    }

    fn leaving(&mut self, party: Party) {
        let until = clock::now().checked_add(LEAVING);
        self.stage = Stage::Leaving { party, until };
        // One that has not been heard of yet may have done something already.
        if self.sides.is_over(party) {
            self.has_left(party);
        }
    }

    fn has_left(&mut self, party: Party) {
        match party {
            Party::Routers => {
                self.sides.stop(Party::Checker, PATIENCE);
                self.leaving(Party::Checker);
            }
            Party::Checker => self.stage = Stage::Over(Ended::Gracefully),
        }
    }

    fn fail(&mut self, failure: RunError) {
        self.failure.get_or_insert(failure);
        self.leave();
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Checker(notice) => self.hear_checker(notice),
            Heard::Lost {
                side,
                how,
                again_after,
            } => self.lost(side, &how, again_after),
            Heard::Routers(notice) => self.hear_routers(notice),
            Heard::Started(started) => self.side_started(&started),
        }
    }

    fn hear_checker(&mut self, notice: checker::Notice) {
        match notice {
            checker::Notice::Committed { number, changes } => {
                self.feed_for(number, Input::Committed(Party::Checker, changes));
            }
            checker::Notice::Happened(what) => self.happened(what),
            checker::Notice::Hello(_) => {}
            checker::Notice::Prepared { number, result } => {
                if result.is_err() {
                    // Should it not know what it is thought to, all of the next one helps.
                    self.checker_has = None;
                }
                self.feed_for(number, Input::Prepared(Party::Checker, result));
            }
            checker::Notice::Ready => self.feed(Input::Ready),
            checker::Notice::Report(number, report) => self.site_asked.answer(number, *report),
        }
    }

    fn hear_routers(&mut self, notice: routers::Notice) {
        match notice {
            routers::Notice::Committed { number, changes } => {
                self.feed_for(number, Input::Committed(Party::Routers, changes));
                if self.attempt.is_none() {
                    // It follows one that died: those it did not have before heard nothing yet.
                    self.tell_routers_again();
                }
            }
            // Its process ends now, and another one takes its place.
            routers::Notice::Failed(why)
                if self.stage == Stage::Running && self.sides.are_processes() =>
            {
                error!("{why}");
            }
            routers::Notice::Failed(why) => self.fail(RunError::Routers(why)),
            routers::Notice::Happened(what) => self.happened(what),
            routers::Notice::Hello(_) => self.watchdog.feed(),
            routers::Notice::Joined => self.tell_routers_again(),
            routers::Notice::Prepared { number, result } => {
                self.feed_for(number, Input::Prepared(Party::Routers, result));
            }
            routers::Notice::Report(number, report) => self.routers_asked.answer(number, *report),
        }
    }

    /// A side has ended.
    fn lost(&mut self, side: Side, how: &Loss, again_after: Option<Duration>) {
        let party = Party::of(side);
        match party {
            Some(Party::Checker) => {
                self.site_asked.clear();
                self.checker_has = None;
            }
            Some(Party::Routers) => self.routers_asked.clear(),
            None => {}
        }
        match self.stage {
            Stage::Leaving { party: leaving, .. } if Some(leaving) == party => {
                self.has_left(leaving);
            }
            Stage::Leaving { .. } | Stage::Over(_) => {}
            Stage::Starting | Stage::Running => {
                let detail = match again_after {
                    Some(Duration::ZERO) => format!("{how}, is started again"),
                    Some(pause) => format!("{how}, is started again in {}", brief(pause)),
                    None => how.to_string(),
                };
                if again_after.is_none() {
                    error!("the {side} process {detail}");
                }
                self.happened(What::Process {
                    process: side.to_string(),
                    detail,
                    ok: false,
                });
                if let Some(party) = party {
                    self.feed(Input::Lost(party));
                    self.begin_without(party);
                }
                if side == Side::Routers {
                    self.without_routers(again_after);
                }
            }
        }
    }

    /// A successor that begins at once may adopt what its predecessor was master of; before any other, the leases end.
    fn without_routers(&mut self, again_after: Option<Duration>) {
        if again_after == Some(Duration::ZERO) {
            return;
        }
        self.states.clear();
        self.tell_masters();
        systemd::status("no virtual router runs");
        if again_after.is_none() {
            self.fail(RunError::Died);
        }
    }

    /// A side runs, and knows nothing.
    fn side_started(&mut self, started: &Started) {
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Over(_)) {
            return;
        }
        if started.restart {
            let pid = started.pid.unwrap_or(0);
            self.happened(What::Process {
                process: started.side.to_string(),
                detail: format!("started again as process {pid}"),
                ok: true,
            });
        }
        if let Some(party) = Party::of(started.side) {
            self.supply(party, started);
        }
    }

    /// Gives what happened its number, and draws the conclusions.
    fn happened(&mut self, what: What) {
        if let What::RouterState { router, to, .. } = &what {
            let before = self.states.insert(router.clone(), *to);
            let kept = self.kept.as_ref();
            let is_gone = kept.is_some_and(|kept| !kept.priorities.contains_key(router));
            if is_gone && *to != StateName::Leaving {
                self.states.remove(router);
            }
            if before.is_some_and(answers) != answers(*to) {
                self.tell_masters();
            }
            if self.stage == Stage::Running {
                systemd::status(&self.summary());
            }
        }
        if let What::Quorum {
            service, gained, ..
        } = &what
        {
            let health = if *gained { Health::Up } else { Health::Down };
            let name = service.clone();
            self.trackers.send(track::Input::Service { name, health });
        }
        self.stream.tell(what);
    }

    /// A router that the configuration no longer has counts until it has handed over.
    fn forget_those_gone(&mut self) {
        let Some(kept) = &self.kept else { return };
        self.states.retain(|name, state| {
            *state == StateName::Leaving || kept.priorities.contains_key(name)
        });
    }

    fn tracked(&mut self, told: track::Told) {
        match told {
            track::Told::Happened(what) => self.happened(what),
            track::Told::Verdict(router, verdict) => {
                self.verdicts.insert(router.clone(), verdict);
                self.tell_router(&router);
            }
        }
    }

    /// One line for `systemctl status`, such as `1 backup, 2 master`.
    fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for state in self.states.values() {
            *counts.entry(state.to_string()).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        counts.join(", ")
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Act(caller, request, answer) => self.act(caller, &request, answer),
            Ask::Complete(mut status, answer) => {
                self.overrides.tell(clock::now(), &mut status);
                status.processes = self.sides.processes();
                status.notifications = self.notifications.tallies();
                status.trackers = self.trackers.report();
                let _ = answer.send(status);
            }
            Ask::Report(routers, site) => {
                let number = self.number();
                // Without a side the answer is dropped here, which is an answer too.
                if self.sides.has(Party::Routers) {
                    self.routers_asked.add(number, routers);
                    self.sides.routers(routers::Order::Report(number));
                }
                if self.sides.has(Party::Checker) {
                    self.site_asked.add(number, site);
                    self.sides.checker(checker::Order::Report(number));
                }
            }
        }
    }

    fn act(&mut self, caller: Caller, request: &Request, answer: desk::Answer) {
        let result = match (&self.kept, self.stage) {
            (Some(kept), Stage::Running) => {
                self.overrides
                    .apply(clock::now(), caller, request, &kept.known)
            }
            (None, _) | (_, Stage::Starting | Stage::Leaving { .. } | Stage::Over(_)) => {
                Err(Refused {
                    error: NOT_NOW.to_owned(),
                })
            }
        };
        if result.is_ok() && request.action == Action::Reload {
            self.reload(Some(answer));
            return;
        }
        // Whoever asked may have gone.
        let _ = answer.send(result.map(|changes| Done { changes }));
    }
}

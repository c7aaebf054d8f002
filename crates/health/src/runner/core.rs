//! All that a runner decides, without a clock and without a task: time, subscriptions and results go in, probes to
//! begin, reports and a deadline come out.

mod set;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lag::{Allowance, BEAT, Lag};
use super::limiter::{Limiter, Ticket};
use super::way::{Finding, Trust, Way};
use super::{Counts, Probe, Report, RunnerLimits, Subscriber, SubscriberStatus, Totals};
use crate::check::{CheckError, HealthCheck, Pass};
use crate::schedule::{Pace, ProbeId, Schedule};
use crate::tracker::{Health, Tracker, Verdict};

/// Probes that are due within so short a time begin together: the loop turns less often.
const TICK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Core {
    epoch: Instant,
    seed: u64,
    schedule: Schedule,
    limiter: Limiter,
    lag: Lag,
    /// By the index of their id.
    entries: Vec<Option<Entry>>,
    subscribers: HashMap<Subscriber, ProbeId>,
    counts: Counts,
    reports: VecDeque<Report>,
    cancelled: VecDeque<ProbeId>,
}

/// A probe, and all who want to know.
#[derive(Debug)]
struct Entry {
    id: ProbeId,
    probe: Probe,
    state: State,
    members: Vec<Member>,
    last: Last,
    counts: Counts,
    allowance: Allowance,
    trust: Trust,
}

#[derive(Debug)]
enum State {
    Idle,
    Queued,
    UnderWay {
        ticket: Ticket,
        started: Instant,
        /// The lag that there had been until then.
        lag: Duration,
    },
}

/// What the last probes found.
#[derive(Debug, Clone, Default)]
struct Last {
    weight: Option<u32>,
    error: Option<Arc<CheckError>>,
    duration: Option<Duration>,
}

/// A subscriber. Each has a tracker of its own, since they may have begun with different beliefs.
#[derive(Debug)]
struct Member {
    subscriber: Subscriber,
    tracker: Tracker,
    since: Instant,
    reported: Option<(Health, Option<u32>)>,
}

/// A probe to begin.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) id: ProbeId,
    pub(super) target: std::net::SocketAddr,
    pub(super) check: Arc<dyn HealthCheck>,
    /// How long it may take.
    pub(super) window: Duration,
    /// How it is to be made.
    pub(super) way: Way,
}

/// How a probe ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Failed(CheckError),
    Passed(Pass),
    /// It took longer than its window, and was dropped.
    TimedOut,
}

/// Why a probe that ended is of no account.
#[derive(Debug)]
pub(super) enum NotRun {
    Lagged(Duration),
    Local(Arc<CheckError>),
}

impl Core {
    pub(super) fn new(now: Instant, limits: RunnerLimits, seed: u64) -> Self {
        Self {
            epoch: now,
            seed,
            schedule: Schedule::new(now),
            limiter: Limiter::new(limits),
            lag: Lag::default(),
            entries: Vec::new(),
            subscribers: HashMap::new(),
            counts: Counts::default(),
            reports: VecDeque::new(),
            cancelled: VecDeque::new(),
        }
    }

    /// The loop turns. Comes before all else that happens now.
    pub(super) fn wake(&mut self, now: Instant) {
        self.lag.observe(now);
    }

    /// When the loop must turn again. Comes after all else.
    pub(super) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let due = self.schedule.poll_timeout().map(|due| self.tick(due));
        let beat = (self.limiter.inside() > 0).then_some(now + BEAT);
        let wake = [due, beat].into_iter().flatten().min();
        self.lag.expect(wake);
        wake
    }

    /// The end of the tick that a moment is in.
    pub(super) fn tick(&self, time: Instant) -> Instant {
        let tick = TICK.as_nanos();
        let since = time.saturating_duration_since(self.epoch).as_nanos();
        let rest = (tick - since % tick) % tick;
        u64::try_from(rest).map_or(time, |rest| time + Duration::from_nanos(rest))
    }

    pub(super) fn check_now(&mut self, now: Instant, subscriber: Subscriber) {
        if let Some(id) = self.subscribers.get(&subscriber) {
            self.schedule.set_due(now, *id);
        }
    }

    /// A probe that is to begin now.
    pub(super) fn poll_start(&mut self, now: Instant) -> Option<Start> {
        loop {
            let Some(ticket) = self.limiter.poll_ready() else {
                let id = self.schedule.poll_due(now)?;
                if let Some(entry) = entry(&mut self.entries, id) {
                    entry.state = State::Queued;
                    self.limiter.enter(Ticket {
                        id,
                        address: entry.probe.target.ip(),
                        class: entry.probe.class,
                    });
                }
                continue;
            };
            let Some(entry) = entry(&mut self.entries, ticket.id) else {
                // It was removed while it waited.
                self.limiter.leave(ticket);
                continue;
            };
            entry.state = State::UnderWay {
                ticket,
                started: now,
                lag: self.lag.total(),
            };
            entry.counts.begun += 1;
            self.counts.begun += 1;
            return Some(Start {
                id: ticket.id,
                target: entry.probe.target,
                check: Arc::clone(&entry.probe.check),
                window: entry.allowance.window(entry.probe.timing.timeout),
                way: match entry.probe.check.half_open() {
                    Some(_) => entry.trust.way(),
                    None => Way::Connection,
                },
            });
        }
    }

    /// A probe, which was made in this way, has ended.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        id: ProbeId,
        ended: Instant,
        way: Way,
        outcome: Outcome,
    ) -> Option<NotRun> {
        let entry = entry(&mut self.entries, id)?;
        let State::UnderWay {
            ticket,
            started,
            lag,
        } = std::mem::replace(&mut entry.state, State::Idle)
        else {
            return None;
        };
        self.limiter.leave(ticket);
        let lag = self.lag.total().saturating_sub(lag);
        for counts in [&mut entry.counts, &mut self.counts] {
            counts.half_open += u64::from(way == Way::HalfOpen);
        }
        let judged = entry.judge(outcome, lag, &mut self.counts);
        let finding = match judged {
            Ok(Verdict::Failed) => Finding::Failed,
            Ok(Verdict::Passed) => Finding::Passed,
            Err(_) => Finding::NotRun,
        };
        entry.trust.observe(way, finding);
        match judged {
            Ok(verdict) => {
                entry.last.duration = Some(ended.saturating_duration_since(started));
                entry.observe(now, verdict);
                entry.report(&mut self.reports);
                self.schedule.finish(now, id, started, entry.pace());
                None
            }
            Err(not_run) => {
                self.schedule.finish(now, id, started, Pace::NotRun);
                Some(not_run)
            }
        }
    }

    pub(super) fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// A probe that is under way and whose result nobody wants any more.
    pub(super) fn poll_cancelled(&mut self) -> Option<ProbeId> {
        self.cancelled.pop_front()
    }

    pub(super) fn status(&self) -> Vec<SubscriberStatus> {
        let mut status = Vec::with_capacity(self.subscribers.len());
        for entry in self.entries.iter().flatten() {
            status.extend(entry.members.iter().map(|member| SubscriberStatus {
                subscriber: member.subscriber,
                health: member.tracker.health(),
                since: member.since,
                weight: entry.last.weight,
                error: entry.last.error.clone(),
                duration: entry.last.duration,
                counts: entry.counts,
            }));
        }
        status.sort_unstable_by_key(|one| one.subscriber);
        status
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            counts: self.counts,
            subscribers: self.subscribers.len(),
            probes: self.schedule.len(),
            in_flight: self.limiter.inside(),
            queued: self.limiter.queued(),
            lag: self.lag.total(),
            worst_lag: self.lag.worst(),
            stray_answers: 0,
        }
    }
}

/// The entry of a probe that is still wanted.
fn entry(entries: &mut [Option<Entry>], id: ProbeId) -> Option<&mut Entry> {
    let entry = entries.get_mut(id.index())?.as_mut()?;
    (entry.id == id).then_some(entry)
}

impl Entry {
    /// What an outcome says of the server.
    fn judge(
        &mut self,
        outcome: Outcome,
        lag: Duration,
        totals: &mut Counts,
    ) -> Result<Verdict, NotRun> {
        let error = match outcome {
            Outcome::Passed(pass) => {
                self.counts.passed += 1;
                totals.passed += 1;
                self.allowance = Allowance::default();
                self.last.weight = pass.weight;
                self.last.error = None;
                return Ok(Verdict::Passed);
            }
            Outcome::Failed(error) => error,
            Outcome::TimedOut => CheckError::Timeout,
        };
        let timed_out = matches!(error, CheckError::Timeout);
        let local = error.is_local();
        let error = Arc::new(error);
        self.last.error = Some(Arc::clone(&error));
        if local {
            self.counts.local_errors += 1;
            totals.local_errors += 1;
            return Err(NotRun::Local(error));
        }
        let timeout = self.probe.timing.timeout;
        if timed_out && self.allowance.excuses(timeout, lag) {
            self.counts.lagged += 1;
            totals.lagged += 1;
            self.allowance = self.allowance.next(timeout, lag);
            return Err(NotRun::Lagged(lag));
        }
        for counts in [&mut self.counts, totals] {
            counts.failed += 1;
            counts.timed_out += u64::from(timed_out);
        }
        self.allowance = Allowance::default();
        Ok(Verdict::Failed)
    }

    fn observe(&mut self, now: Instant, verdict: Verdict) {
        for member in &mut self.members {
            if member.tracker.observe(verdict).is_some() {
                member.since = now;
            }
        }
    }

    /// Tells each member what it has not been told.
    fn report(&mut self, reports: &mut VecDeque<Report>) {
        for member in &mut self.members {
            member.report(&self.last, reports);
        }
    }

    fn pace(&self) -> Pace {
        if !self
            .members
            .iter()
            .all(|member| member.tracker.is_settled())
        {
            return Pace::Moving;
        }
        let down = |member: &Member| member.tracker.health() == Health::Down;
        if self.members.iter().all(down) {
            Pace::Down
        } else {
            Pace::Up
        }
    }
}

impl Member {
    fn report(&mut self, last: &Last, reports: &mut VecDeque<Report>) {
        let health = self.tracker.health();
        if self.reported == Some((health, last.weight)) {
            return;
        }
        self.reported = Some((health, last.weight));
        reports.push_back(Report {
            subscriber: self.subscriber,
            health,
            weight: last.weight,
            error: last.error.clone().filter(|_| health == Health::Down),
        });
    }
}

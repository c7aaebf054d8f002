//! One machine: its kernel, its clock, and the process with its elections and address tasks.

use std::net::{IpAddr, Ipv4Addr};

use locum_vrrp_election::HoldId;
use locum_vrrp_election::transcript::Parameters;

use super::Nanos;
use super::scenario::{Failure, Pause};
use super::world::Event;

/// What a socket keeps for a process that does not read. The rest is lost.
pub(crate) const INBOX: usize = 200;

/// How long after a failed release it is tried again, at first and at most, as in the driver.
const BACKOFF: (Nanos, Nanos) = (Nanos::millis(100), Nanos::secs(5));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    Down,
    Running,
    Stopping,
}

#[derive(Debug)]
pub(crate) struct Machine<S> {
    pub(crate) address: IpAddr,
    pub(crate) clock: Clock,
    pub(crate) powered: bool,
    pub(crate) process: Process,
    /// Counts processes, so that what was meant for an earlier one gets lost.
    pub(crate) life: u16,
    pub(crate) started: Nanos,
    pub(crate) paused: Option<Pause>,
    /// A paused machine's network card keeps what comes.
    pub(crate) card_keeps: bool,
    pub(crate) link: bool,
    pub(crate) source: bool,
    /// What the process was last told of link and source.
    pub(crate) told: (bool, bool),
    pub(crate) sends_fail: bool,
    pub(crate) failure: Option<Failure>,
    pub(crate) slow: Nanos,
    pub(crate) units: Vec<Option<Unit<S>>>,
    pub(crate) routers: Vec<Router>,
    pub(crate) inbox: Vec<Event>,
    pub(crate) deferred: Vec<Event>,
}

/// What is elected together.
#[derive(Debug)]
pub(crate) struct Unit<S> {
    pub(crate) subject: S,
    /// On the machine's clock.
    pub(crate) deadline: Option<Nanos>,
    /// When it is woken up next. In simulated time.
    pub(crate) armed: Option<Nanos>,
}

impl<S> Machine<S> {
    pub(crate) fn new(index: u8, vrids: u8, units: usize) -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, index + 1)),
            clock: Clock::default(),
            powered: true,
            process: Process::Down,
            life: 0,
            started: Nanos::ZERO,
            paused: None,
            card_keeps: true,
            link: true,
            source: true,
            told: (false, false),
            sends_fail: false,
            failure: None,
            slow: Nanos::ZERO,
            units: (0..units).map(|_| None).collect(),
            routers: (0..vrids).map(|_| Router::default()).collect(),
            inbox: Vec::new(),
            deferred: Vec::new(),
        }
    }

    pub(crate) fn now(&self, world: Nanos) -> Nanos {
        self.clock.at(world)
    }

    pub(crate) fn runs(&self) -> bool {
        self.paused.is_none() && self.process != Process::Down
    }

    /// Does its kernel answer for the addresses that it has?
    pub(crate) fn answers(&self) -> bool {
        let alive = matches!(self.paused, None | Some(Pause::Process));
        self.powered && self.link && alive
    }

    /// What the kernel should have removed while the machine did not run, it removes now.
    pub(crate) fn kernel_catches_up(&mut self, world: Nanos) {
        let now = self.now(world);
        for kernel in self
            .routers
            .iter_mut()
            .filter_map(|router| router.kernel.as_mut())
        {
            kernel.gone_by = kernel.gone_by.max(now);
        }
    }

    /// The process is no more, and everything it was about to do.
    pub(crate) fn end_process(&mut self) {
        self.process = Process::Down;
        self.life = self.life.wrapping_add(1);
        self.units.iter_mut().for_each(|unit| *unit = None);
        self.inbox.clear();
        self.deferred
            .retain(|event| matches!(event, Event::Expiry { .. }));
        self.told = (false, false);
        for router in &mut self.routers {
            router.task = Task::default();
            router.holding = false;
            router.seen_held = false;
            router.release_by = None;
            router.stands_by_until = None;
            router.adopted = false;
        }
    }
}

/// The machine's monotonic clock against simulated time.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    behind: Nanos,
    ahead: Nanos,
    stands_since: Option<Nanos>,
}

impl Clock {
    pub(crate) fn at(&self, world: Nanos) -> Nanos {
        self.stands_since.unwrap_or(world) + self.ahead - self.behind
    }

    /// When in simulated time it will show `moment`, unless it stands still.
    pub(crate) fn when(&self, moment: Nanos) -> Nanos {
        moment + self.behind - self.ahead
    }

    pub(crate) const fn stand_still(&mut self, world: Nanos) {
        self.stands_since = Some(world);
    }

    pub(crate) fn go_on(&mut self, world: Nanos) {
        if let Some(since) = self.stands_since.take() {
            self.behind = self.behind + (world - since);
        }
    }

    pub(crate) fn jump(&mut self, by: Nanos) {
        self.ahead = self.ahead + by;
    }
}

/// One virtual router on one machine, beside its election.
#[derive(Debug, Default)]
pub(crate) struct Router {
    /// The addresses, if the kernel has them.
    pub(crate) kernel: Option<InKernel>,
    pub(crate) task: Task,
    /// The addresses are, or may be, there by the process's doing.
    pub(crate) holding: bool,
    /// As far as the process knows they are there.
    pub(crate) seen_held: bool,
    /// Let go of at a time when the driver was well: they are gone by then. On the machine's clock.
    pub(crate) release_by: Option<Nanos>,
    pub(crate) tracking_fails: bool,
    /// What it was given while it ran.
    pub(crate) reconfigured: Option<Parameters>,
    /// On the machine's clock.
    pub(crate) stands_by_until: Option<Nanos>,
    /// When it last advertised as Master, as long as it is or its process died so. On the machine's clock.
    pub(crate) beat: Option<Nanos>,
    /// It took the place of a process that died, and so had no startup delay.
    pub(crate) adopted: bool,
}

/// On the machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InKernel {
    /// When the kernel removes them.
    pub(crate) expires: Nanos,
    /// When the election's lease, rounded up, and the kernel's delay are over.
    pub(crate) gone_by: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    /// On the machine's clock.
    pub(crate) until: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Absent { releases: u32 },
    Present { hold: Hold, recheck: u32 },
}

/// What the driver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Changed,
    Expired,
    Failed,
    Unchanged,
    Unknown,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// The address task of the driver (`crates/vrrp/src/addresses.rs`): the same decisions in the same order.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) hold: Option<Hold>,
    pub(crate) releases: u32,
    pub(crate) announce: u32,
    pub(crate) recheck: u32,
    /// What an earlier process left behind may be taken over in a moment.
    pub(crate) keeps_leftovers: bool,
    asked: Option<Request>,
    held: Option<HoldId>,
    announced: u32,
    retry: Option<Nanos>,
    backoff: Nanos,
    lost: u8,
    pub(crate) call: Option<Call>,
    pub(crate) announcing: Option<u32>,
    calls: u32,
    /// When it is woken up next. In simulated time.
    armed: Option<Nanos>,
}

impl Default for Task {
    fn default() -> Self {
        Self {
            hold: None,
            releases: 0,
            announce: 0,
            recheck: 0,
            keeps_leftovers: false,
            asked: None,
            held: None,
            announced: 0,
            retry: None,
            backoff: BACKOFF.0,
            lost: 0,
            call: None,
            announcing: None,
            calls: 0,
            armed: None,
        }
    }
}

/// What a task begins, and when it wakes up again at the latest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Begun {
    pub(crate) call: Option<u32>,
    pub(crate) announcement: Option<u32>,
    pub(crate) wake: Option<Nanos>,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Absent {
        failed: bool,
    },
    /// The call is repeated without a word.
    Again,
    Present {
        id: HoldId,
        answer: Answer,
        restored: bool,
    },
}

impl Task {
    pub(crate) fn step(&mut self, now: Nanos) -> Begun {
        let mut begun = Begun::default();
        let hold = self.hold.filter(|hold| now < hold.until);
        let is_held = hold.is_some_and(|hold| self.held == Some(hold.id));
        if !is_held {
            self.announcing = None;
            if hold.is_none() {
                self.announced = self.announce;
            }
        }
        let (releases, recheck) = (self.releases, self.recheck);
        let request = hold.map_or(Request::Absent { releases }, |hold| Request::Present {
            hold,
            recheck,
        });
        let waits =
            hold.is_none() && (self.keeps_leftovers || self.retry.is_some_and(|at| now < at));
        if self.call.is_none() && self.asked != Some(request) && !waits {
            self.asked = Some(request);
            self.retry = None;
            self.calls += 1;
            self.call = Some(Call {
                number: self.calls,
                request,
                answer: Answer::Failed,
            });
            begun.call = Some(self.calls);
        }
        if is_held && self.announcing.is_none() && self.announced < self.announce {
            self.announced = self.announce;
            begun.announcement = Some(self.announce_now());
        }
        let lease_end = hold.map(|hold| hold.until);
        begun.wake = self.retry.into_iter().chain(lease_end).min();
        begun
    }

    /// Does it need a wake-up at `at` beside the one that it has?
    pub(crate) fn arm(&mut self, at: Nanos) -> bool {
        let needed = self.armed.is_none_or(|armed| at < armed);
        if needed {
            self.armed = Some(at);
        }
        needed
    }

    pub(crate) const fn disarm(&mut self) {
        self.armed = None;
    }

    pub(crate) const fn waits_to_retry(&self) -> bool {
        self.retry.is_some()
    }

    /// It is Master no more.
    pub(crate) const fn hush(&mut self) {
        self.announced = self.announce;
        self.announcing = None;
    }

    pub(crate) const fn announce_now(&mut self) -> u32 {
        self.calls += 1;
        self.announcing = Some(self.calls);
        self.calls
    }

    pub(crate) fn answered(&mut self, now: Nanos, call: Call) -> Report {
        self.call = None;
        let lost = call.answer == Answer::Unknown;
        self.lost = if lost { self.lost.saturating_add(1) } else { 0 };
        if lost && self.lost < 3 {
            self.asked = None;
            return Report::Again;
        }
        match call.request {
            Request::Absent { .. } => {
                self.held = None;
                let failed = matches!(call.answer, Answer::Failed | Answer::Unknown);
                if failed {
                    self.asked = None;
                    self.retry = Some(now + self.backoff);
                    self.backoff = self.backoff.times(2).min(BACKOFF.1);
                } else {
                    self.backoff = BACKOFF.0;
                }
                Report::Absent { failed }
            }
            Request::Present { hold, .. } => {
                let late = now >= hold.until;
                let again = self.held == Some(hold.id);
                let well = matches!(call.answer, Answer::Changed | Answer::Unchanged);
                let answer = if well && late {
                    Answer::Expired
                } else {
                    call.answer
                };
                let all = well && !late;
                self.held = all.then_some(hold.id);
                Report::Present {
                    id: hold.id,
                    answer,
                    restored: all && again && answer == Answer::Changed,
                }
            }
        }
    }
}

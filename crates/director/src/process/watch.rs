//! When a process is to be asked, killed and started again. Pure: time is an input.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// The first start after a loss is at once, the next after this, then twice as long…
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// …and never longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// One that ran for so long ran well: the pauses begin anew.
const RAN_WELL: Duration = Duration::from_secs(60);
/// Adoptions are permitted so often…
const ADOPTIONS: usize = 2;
/// …in this time.
const ADOPTION_WINDOW: Duration = Duration::from_secs(60);

/// What is expected of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// It is asked this often whether it lives.
    pub(crate) hello_interval: Duration,
    /// After so many unanswered in a row it hangs.
    pub(crate) hello_missed: u32,
    /// It has so long to begin.
    pub(crate) start_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hello_interval: Duration::from_secs(5),
            hello_missed: 3,
            start_grace: Duration::from_secs(10),
        }
    }
}

/// How a process was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It closed its socket, or a thread ended.
    Ended,
    /// It exited with this code.
    Exited(i32),
    /// It did not begin, or did not answer any more, and was killed.
    Hung,
    /// It could not be understood, and was killed: why.
    Misspoke(String),
    /// It could not be started: why.
    NotStarted(String),
    /// This signal ended it.
    Signalled(i32),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("has ended"),
            Self::Exited(code) => write!(f, "has ended with code {code}"),
            Self::Hung => f.write_str("did not answer any more and was killed"),
            Self::Misspoke(why) => write!(f, "was killed: {why}"),
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Send a hello of this number.
    Ask(u64),
    /// It hangs: kill it.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    Running {
        since: Instant,
        next: Instant,
        /// Hellos since the last answer.
        unanswered: u32,
    },
    Starting {
        until: Instant,
    },
}

/// Watches over the processes of one side, one after the other.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    phase: Phase,
    /// The number of the last hello. It goes on over restarts: a late answer is of no use.
    number: u64,
    /// Losses in a row, of processes that had not run well.
    losses: u32,
    /// When adoption was permitted.
    adoptions: VecDeque<Instant>,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Down,
            number: 0,
            losses: 0,
            adoptions: VecDeque::new(),
        }
    }

    /// It is being started.
    pub(super) fn handle_start(&mut self, now: Instant) {
        let until = now + self.limits.start_grace;
        self.phase = Phase::Starting { until };
    }

    /// It can be talked to.
    pub(super) fn handle_connected(&mut self, now: Instant) {
        self.phase = Phase::Running {
            since: now,
            next: now + self.limits.hello_interval,
            unanswered: 0,
        };
    }

    /// It answered the hello of this number. Does that count?
    pub(super) fn handle_answer(&mut self, number: u64) -> bool {
        match &mut self.phase {
            Phase::Running { unanswered, .. } => {
                // Those after it, of which the answers are on their way, stay open.
                let open = self.number.saturating_sub(number);
                let known = number <= self.number && open < u64::from(*unanswered);
                if known {
                    *unanswered = u32::try_from(open).unwrap_or(u32::MAX);
                }
                known
            }
            Phase::Down | Phase::Starting { .. } => false,
        }
    }

    /// It is not its fault that its answers are not heard: whoever listens is slow.
    pub(super) fn excuse(&mut self) {
        if let Phase::Running { unanswered, .. } = &mut self.phase {
            *unanswered = 0;
        }
    }

    /// When [`Self::poll_act`] has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Down => None,
            Phase::Running { next, .. } => Some(next),
            Phase::Starting { until } => Some(until),
        }
    }

    /// What is to be done by now, if anything.
    pub(super) fn poll_act(&mut self, now: Instant) -> Option<Act> {
        match &mut self.phase {
            Phase::Down => None,
            Phase::Starting { until } => (now >= *until).then_some(Act::Kill),
            Phase::Running {
                next, unanswered, ..
            } => {
                if now < *next {
                    return None;
                }
                if *unanswered >= self.limits.hello_missed {
                    return Some(Act::Kill);
                }
                // From now, not from then: after a pause of this process there is no burst.
                *next = now + self.limits.hello_interval;
                *unanswered += 1;
                self.number += 1;
                Some(Act::Ask(self.number))
            }
        }
    }

    /// It is gone, and reaped. After how long is the next to be started?
    pub(super) fn handle_loss(&mut self, now: Instant) -> Duration {
        if let Phase::Running { since, .. } = self.phase
            && now.saturating_duration_since(since) >= RAN_WELL
        {
            self.losses = 0;
        }
        self.phase = Phase::Down;
        let losses = self.losses;
        self.losses = losses.saturating_add(1);
        match losses.checked_sub(1) {
            None => Duration::ZERO,
            // 2⁶ seconds are longer than the longest.
            Some(doublings) => (SHORTEST_PAUSE * (1 << doublings.min(6))).min(LONGEST_PAUSE),
        }
    }

    /// May the next one adopt what the one that is gone was master of? Asked once for each start after a loss.
    pub(super) fn permit_adoption(&mut self, now: Instant) -> bool {
        let recent = |at: &Instant| now.saturating_duration_since(*at) < ADOPTION_WINDOW;
        self.adoptions.retain(recent);
        let permitted = self.adoptions.len() < ADOPTIONS;
        if permitted {
            self.adoptions.push_back(now);
        }
        permitted
    }
}

#[cfg(test)]
mod tests;

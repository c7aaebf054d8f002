//! What elections were told and what they wanted, as lines of text: written by a driver or a simulation, read again to
//! be replayed.
//!
//! ```text
//! locum-transcript 1
//! router web version=3 interval=100 priority=150 addresses=1 preempt=0.000000000 startup=0.000000000 missed=3 lease=auto again=5.000000000 refresh=60.000000000
//! # a note, for people
//! 0.000000000 web source 192.0.2.2 -> nothing
//! 0.000000000 web link up -> nothing
//! 0.000000000 web startup -> initialize>backup Started
//! 3.414062500 web timeout -> advertise 150, hold 1 until 8.414062500, announce, backup>master MasterSilent
//! 3.414362500 web held 1 -> nothing
//! ```
//!
//! The first line names the format and its version. A `router` line comes before the first event of that router; a
//! second one with the same name says that it began anew, with nothing remembered. An event is the time in seconds
//! since the transcript's beginning, the router, what came in, and after `->` what went out, in order: `nothing`,
//! actions, or `refused: ` and why. Moments of leases are on the same scale. Lines that begin with `#` and empty ones
//! mean nothing.
//!
//! | input | |
//! |---|---|
//! | `startup`, `shutdown`, `timeout`, `not-sent`, `announce` | |
//! | `adopt age=SECONDS` | started in the place of one that died as Master and had advertised so long ago |
//! | `priority N` | |
//! | `reconfigure PARAMETERS` | all of them, as in a `router` line |
//! | `stand-by SECONDS`, `stand-by on` | for so long, or until told otherwise |
//! | `advert SOURCE priority=N version=N interval=N` | the interval as on the wire: seconds in version 2, centiseconds in version 3 |
//! | `link up`, `link down` | |
//! | `source ADDRESS`, `source none` | |
//! | `tracking failed`, `tracking recovered` | |
//! | `held N`, `hold-failed N`, `hold-lapsed N` | what became of the hold `N` |

mod parameters;
mod read;

use core::fmt;
use core::time::Duration;
use std::time::Instant;

use crate::interface::{
    Action, Advert, Effect, Input, Link, Rejected, State, Tracking, Transition,
};

pub use self::parameters::Parameters;
pub use self::read::{Line, ReadError};

/// The first line of every transcript.
pub const HEADER: &str = "locum-transcript 1";

/// A length of time, or a moment since the beginning, in seconds with nine digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a duration and how it is written"
)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// The line that comes before a router's first event. White space in its name becomes `_`.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the two parts of the line")]
pub struct RouterLine<'a> {
    /// What the router is called.
    pub name: &'a str,
    /// What it is configured with.
    pub parameters: Parameters,
}

impl fmt::Display for RouterLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "router {} {}", Name(self.name), self.parameters)
    }
}

/// One event: a call of [`handle`](crate::Election::handle) and the actions after it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the parts of the line")]
pub struct EventLine<'a> {
    /// The transcript's zero.
    pub epoch: Instant,
    /// When.
    pub at: Instant,
    /// What the router is called.
    pub router: &'a str,
    /// What came in.
    pub input: Input,
    /// Whether it was refused.
    pub result: Result<(), Rejected>,
    /// What went out.
    pub actions: &'a [Action],
}

impl fmt::Display for EventLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            at,
            router,
            input,
            ..
        } = *self;
        let at = Seconds(at.saturating_duration_since(epoch));
        write!(f, "{at} {} {} -> ", Name(router), InputText(input))?;
        self.outcome().fmt(f)
    }
}

impl EventLine<'_> {
    /// What stands after the arrow.
    #[must_use]
    pub const fn outcome(&self) -> impl fmt::Display {
        Outcome {
            epoch: self.epoch,
            result: self.result,
            actions: self.actions,
        }
    }
}

struct Outcome<'a> {
    epoch: Instant,
    result: Result<(), Rejected>,
    actions: &'a [Action],
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Err(rejected) = self.result {
            write!(f, "refused: {rejected}")?;
        } else if self.actions.is_empty() {
            f.write_str("nothing")?;
        }
        for (index, action) in self.actions.iter().enumerate() {
            if index > 0 || self.result.is_err() {
                f.write_str(", ")?;
            }
            match *action {
                Action::Advertise(priority) => write!(f, "advertise {priority}")?,
                Action::Announce => f.write_str("announce")?,
                Action::Hold { id, until: None } => write!(f, "hold {}", id.0)?,
                Action::Hold {
                    id,
                    until: Some(until),
                } => {
                    let until = Seconds(until.saturating_duration_since(self.epoch));
                    write!(f, "hold {} until {until}", id.0)?;
                }
                Action::Release => f.write_str("release")?,
                Action::Transition(Transition { from, to, reason }) => {
                    write!(f, "{}>{} {reason:?}", state(from), state(to))?;
                }
            }
        }
        Ok(())
    }
}

struct InputText(Input);

impl fmt::Display for InputText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Startup => f.write_str("startup"),
            Input::Adopt { age } => write!(f, "adopt age={}", Seconds(age)),
            Input::Reconfigure(config) => write!(f, "reconfigure {}", Parameters::from(&config)),
            Input::StandBy { time: Some(time) } => write!(f, "stand-by {}", Seconds(time)),
            Input::StandBy { time: None } => f.write_str("stand-by on"),
            Input::Announce => f.write_str("announce"),
            Input::Shutdown => f.write_str("shutdown"),
            Input::SetPriority(priority) => write!(f, "priority {priority}"),
            Input::Advertisement(Advert {
                source,
                priority,
                interval,
            }) => write!(
                f,
                "advert {source} priority={priority} version={} interval={}",
                interval.version(),
                interval.wire_value()
            ),
            Input::Link(Link::Up) => f.write_str("link up"),
            Input::Link(Link::Down) => f.write_str("link down"),
            Input::Source(Some(source)) => write!(f, "source {source}"),
            Input::Source(None) => f.write_str("source none"),
            Input::Tracking(Tracking::Failed) => f.write_str("tracking failed"),
            Input::Tracking(Tracking::Recovered) => f.write_str("tracking recovered"),
            Input::Effect(Effect::Held(id)) => write!(f, "held {}", id.0),
            Input::Effect(Effect::HoldFailed(id)) => write!(f, "hold-failed {}", id.0),
            Input::Effect(Effect::HoldLapsed(id)) => write!(f, "hold-lapsed {}", id.0),
            Input::Effect(Effect::NotSent) => f.write_str("not-sent"),
            Input::Timeout => f.write_str("timeout"),
        }
    }
}

struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .map(|c| if c.is_whitespace() { '_' } else { c })
            .try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Initialize => "initialize",
        State::Fault => "fault",
        State::Backup => "backup",
        State::Preempting => "preempting",
        State::Master => "master",
        State::Leaving => "leaving",
    }
}

#[cfg(test)]
mod tests;

//! Reading a transcript.

use core::num::NonZeroU8;
use core::str::FromStr;
use core::time::Duration;

use locum_vrrp_wire::{AdvertInterval, Priority};
use thiserror::Error;

use super::{HEADER, Parameters, Seconds};
use crate::config::{AnnounceSchedule, Config, LeasePolicy, Preempt};
use crate::interface::{Advert, Effect, HoldId, Input, Link, Tracking};

/// One line of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line<'a> {
    /// What happened to a router.
    Event {
        /// When, since the transcript's beginning.
        at: Duration,
        /// The router's name.
        router: &'a str,
        /// What came in.
        input: Input,
        /// What went out, as text.
        outcome: &'a str,
    },
    /// The first line.
    Header,
    /// For people.
    Note(&'a str),
    /// A router begins, or begins anew.
    Router {
        /// Its name.
        name: &'a str,
        /// What it is configured with.
        parameters: Parameters,
    },
}

/// A line that is none of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Another format, or another version of it.
    #[error("not a transcript of version 1")]
    Header,
    /// Neither an event, nor a router, nor a note.
    #[error("neither an event, nor a router, nor a note")]
    Line,
    /// A parameter is missing, or its value is not understood.
    #[error("the parameter {0:?} is missing or not understood")]
    Parameter(&'static str),
    /// A time is not in seconds.
    #[error("a time is not in seconds")]
    Time,
    /// What came in is not understood.
    #[error("the input is not understood")]
    Input,
}

impl<'a> Line<'a> {
    /// Reads one line.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn parse(line: &'a str) -> Result<Self, ReadError> {
        let line = line.trim();
        if line == HEADER {
            return Ok(Self::Header);
        }
        if line.starts_with("locum-transcript") {
            return Err(ReadError::Header);
        }
        if line.is_empty() {
            return Ok(Self::Note(line));
        }
        if let Some(note) = line.strip_prefix('#') {
            return Ok(Self::Note(note.trim()));
        }
        let (first, rest) = line.split_once(' ').ok_or(ReadError::Line)?;
        let (name, rest) = rest.split_once(' ').ok_or(ReadError::Line)?;
        if first == "router" {
            return Ok(Self::Router {
                name,
                parameters: rest.parse()?,
            });
        }
        let (input, outcome) = rest.split_once(" -> ").ok_or(ReadError::Line)?;
        let Seconds(at) = first.parse()?;
        Ok(Self::Event {
            at,
            router: name,
            input: read_input(input).ok_or(ReadError::Input)?,
            outcome,
        })
    }
}

fn read_input(text: &str) -> Option<Input> {
    if let Some(parameters) = text.strip_prefix("reconfigure ") {
        let parameters: Parameters = parameters.parse().ok()?;
        return Some(Input::Reconfigure(Config::try_from(&parameters).ok()?));
    }
    let mut words = text.split(' ');
    let word = words.next()?;
    let input = match word {
        "startup" => Input::Startup,
        "announce" => Input::Announce,
        "adopt" => Input::Adopt {
            age: seconds(words.next()?.strip_prefix("age=")?)?,
        },
        "stand-by" => Input::StandBy {
            time: match words.next()? {
                "on" => None,
                time => Some(seconds(time)?),
            },
        },
        "shutdown" => Input::Shutdown,
        "timeout" => Input::Timeout,
        "not-sent" => Input::Effect(Effect::NotSent),
        "priority" => Input::SetPriority(Priority::new(number(words.next())?)),
        "link" => Input::Link(match words.next()? {
            "up" => Link::Up,
            "down" => Link::Down,
            _ => return None,
        }),
        "source" => Input::Source(match words.next()? {
            "none" => None,
            address => Some(address.parse().ok()?),
        }),
        "tracking" => Input::Tracking(match words.next()? {
            "failed" => Tracking::Failed,
            "recovered" => Tracking::Recovered,
            _ => return None,
        }),
        "held" => Input::Effect(Effect::Held(HoldId(number(words.next())?))),
        "hold-failed" => Input::Effect(Effect::HoldFailed(HoldId(number(words.next())?))),
        "hold-lapsed" => Input::Effect(Effect::HoldLapsed(HoldId(number(words.next())?))),
        "advert" => {
            let source = words.next()?.parse().ok()?;
            let priority = number(words.next()?.strip_prefix("priority="))?;
            let version = words.next()?.strip_prefix("version=")?;
            let units = words.next()?.strip_prefix("interval=")?;
            Input::Advertisement(Advert {
                source,
                priority: Priority::new(priority),
                interval: interval(version, units)?,
            })
        }
        _ => return None,
    };
    words.next().is_none().then_some(input)
}

fn seconds(text: &str) -> Option<Duration> {
    let Seconds(time) = text.parse().ok()?;
    Some(time)
}

fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

fn interval(version: &str, units: &str) -> Option<AdvertInterval> {
    match version {
        "2" => AdvertInterval::v2(units.parse().ok()?).ok(),
        "3" => AdvertInterval::v3(units.parse().ok()?).ok(),
        _ => None,
    }
}

impl FromStr for Seconds {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let (whole, nanos) = text.split_once('.').ok_or(ReadError::Time)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if nanos.len() != 9 || !digits(nanos) || !digits(whole) {
            return Err(ReadError::Time);
        }
        let whole = whole.parse().map_err(|_| ReadError::Time)?;
        let nanos = nanos.parse().map_err(|_| ReadError::Time)?;
        Ok(Self(Duration::new(whole, nanos)))
    }
}

impl FromStr for Parameters {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let value = |key: &'static str| {
            text.split(' ')
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                .ok_or(ReadError::Parameter(key))
        };
        let seconds = |key: &'static str| {
            let Seconds(value) = value(key)?.parse().map_err(|_| ReadError::Parameter(key))?;
            Ok(value)
        };
        let optional = |key: &'static str| match value(key)? {
            "never" => Ok(None),
            _ => seconds(key).map(Some),
        };
        let wrong = |key: &'static str| move |_| ReadError::Parameter(key);
        Ok(Self {
            interval: interval(value("version")?, value("interval")?)
                .ok_or(ReadError::Parameter("interval"))?,
            priority: Priority::new(
                value("priority")?
                    .parse()
                    .map_err(|_| ReadError::Parameter("priority"))?,
            ),
            addresses: value("addresses")?.parse().map_err(wrong("addresses"))?,
            preempt: optional("preempt")?.map_or(Preempt::Forbid, |delay| Preempt::Allow { delay }),
            startup_delay: seconds("startup")?,
            missed_adverts: value("missed")?
                .parse::<NonZeroU8>()
                .map_err(|_| ReadError::Parameter("missed"))?,
            lease: match value("lease")? {
                "auto" => LeasePolicy::Auto,
                "off" => LeasePolicy::Off,
                _ => LeasePolicy::Fixed(seconds("lease")?),
            },
            announce: AnnounceSchedule {
                again_after: optional("again")?,
                refresh: optional("refresh")?,
            },
        })
    }
}

//! The state of one thing that is watched.

use std::sync::Arc;
use std::time::Instant;

use super::input::{Content, LinkState};
use super::settings::{Health, TrackFile, TrackProcess, TrackScript};
use crate::programs::Outcome;

/// A product of number and weight from here on down is a fault (keepalived: less than -253).
const FAULT: i64 = -254;

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) detail: String,
    /// When it last became what it is.
    pub(super) since: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        settings: TrackFile,
        /// `None`: it could not be read yet.
        number: Option<i64>,
        readable: bool,
    },
    Process {
        settings: TrackProcess,
        running: Option<u32>,
    },
    Script {
        settings: Arc<TrackScript>,
        health: Option<Health>,
        /// Results in a row that say otherwise.
        against: u32,
    },
    /// An interface or a virtual service.
    Simple(Option<Health>),
}

/// What it means for one virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Fault,
    /// So much is added to the priority.
    Weight(i64),
}

impl State {
    pub(super) fn new(kind: Kind, now: Instant) -> Self {
        Self {
            kind,
            detail: "nothing known yet".to_owned(),
            since: now,
        }
    }

    /// After a reload, in place of `fresh`: what is still true of it.
    pub(super) fn carried_over(self, mut fresh: Self) -> Self {
        let same = match (&self.kind, &mut fresh.kind) {
            (Kind::File { settings: old, .. }, Kind::File { settings: new, .. }) => old == new,
            (Kind::Process { settings: old, .. }, Kind::Process { settings: new, .. }) => {
                old == new
            }
            (
                Kind::Script {
                    settings: old,
                    health: known,
                    ..
                },
                Kind::Script {
                    settings: new,
                    health,
                    ..
                },
            ) => {
                // How often it runs says nothing about its last result.
                let runs = |script: &TrackScript| {
                    (
                        script.program.clone(),
                        script.arguments.clone(),
                        script.user,
                    )
                };
                if old != new && runs(old) == runs(new) {
                    *health = *known;
                    fresh.detail.clone_from(&self.detail);
                    fresh.since = self.since;
                }
                old == new
            }
            (Kind::Simple(_), Kind::Simple(_)) => true,
            (
                Kind::File { .. } | Kind::Process { .. } | Kind::Script { .. } | Kind::Simple(_),
                _,
            ) => false,
        };
        if same { self } else { fresh }
    }

    /// Whether it is as it should be, as far as that is known; of a file, whether its number is 0.
    pub(super) fn health(&self) -> Option<Health> {
        match &self.kind {
            Kind::File { number, .. } => number.map(|number| up_if(number == 0)),
            Kind::Process { settings, running } => {
                running.map(|running| up_if(running >= settings.quorum.get()))
            }
            Kind::Script { health, .. } | Kind::Simple(health) => *health,
        }
    }

    /// What it means for somebody who tracks it so. What is not known counts for nothing.
    pub(super) fn effect(&self, weight: i16, reverse: bool) -> Effect {
        let Some(health) = self.health() else {
            return Effect::Weight(0);
        };
        if let Kind::File {
            number: Some(number),
            ..
        } = self.kind
            && weight != 0
        {
            let weight = i64::from(if reverse { -weight } else { weight });
            return match number.saturating_mul(weight) {
                ..=FAULT => Effect::Fault,
                product => Effect::Weight(product),
            };
        }
        let up = (health == Health::Up) != reverse;
        match (weight, up) {
            (0, false) => Effect::Fault,
            (1.., true) | (..0, false) => Effect::Weight(i64::from(weight)),
            (0.., _) | (..0, true) => Effect::Weight(0),
        }
    }

    pub(super) fn file(&mut self, content: Content) {
        let Kind::File {
            number, readable, ..
        } = &mut self.kind
        else {
            return;
        };
        *readable = true;
        self.detail = match content {
            Content::Missing => {
                *number = Some(0);
                "no file: 0".to_owned()
            }
            Content::Number(found) => {
                *number = Some(found);
                found.to_string()
            }
            Content::Unreadable(why) => {
                *readable = false;
                match number {
                    Some(number) => format!("{why}; it was {number}"),
                    None => why,
                }
            }
        };
    }

    pub(super) fn link(&mut self, link: LinkState) {
        let detail = match link {
            LinkState::Down => "down",
            LinkState::Missing => "does not exist",
            LinkState::NoCarrier => "no carrier",
            LinkState::Up => "up",
        };
        self.simple(up_if(link == LinkState::Up), detail);
    }

    pub(super) fn process(&mut self, found: u32) {
        if let Kind::Process { settings, running } = &mut self.kind {
            *running = Some(found);
            self.detail = format!("{found} running, {} wanted", settings.quorum);
        }
    }

    pub(super) fn service(&mut self, health: Health) {
        let detail = match health {
            Health::Down => "without its quorum",
            Health::Up => "has its quorum",
        };
        self.simple(health, detail);
    }

    fn simple(&mut self, found: Health, detail: &str) {
        if let Kind::Simple(health) = &mut self.kind {
            *health = Some(found);
            detail.clone_into(&mut self.detail);
        }
    }

    pub(super) fn script(&mut self, outcome: &Outcome) {
        let Kind::Script {
            settings,
            health,
            against,
        } = &mut self.kind
        else {
            return;
        };
        let found = up_if(matches!(outcome, Outcome::Exited(0)));
        self.detail = match outcome {
            Outcome::Exited(code) => format!("exit code {code}"),
            Outcome::Failed(why) => format!("cannot be run: {why}"),
            Outcome::Killed => "ended by a signal".to_owned(),
            Outcome::TimedOut => {
                let timeout = humantime::format_duration(settings.timeout);
                format!("not done within {timeout}")
            }
        };
        if health.is_none_or(|health| health == found) {
            *health = Some(found);
            *against = 0;
            return;
        }
        *against = against.saturating_add(1);
        let (needed, name) = match found {
            Health::Down => (settings.fall, "failures"),
            Health::Up => (settings.rise, "successes"),
        };
        if *against >= needed.get() {
            *health = Some(found);
            *against = 0;
        } else {
            self.detail = format!("{}; {against} of {needed} {name}", self.detail);
        }
    }
}

const fn up_if(yes: bool) -> Health {
    if yes { Health::Up } else { Health::Down }
}

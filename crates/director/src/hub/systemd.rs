//! What the service manager is told, if there is one (sd_notify(3)).

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::warn;

/// It runs, in a few words.
pub(super) fn ready(summary: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(summary)]);
}

pub(super) fn status(summary: &str) {
    tell(&[NotifyState::Status(summary)]);
}

/// A reload has begun; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager could not be told"),
    }
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager could not be told");
    }
}

/// The service manager's watchdog, which is told that the elections live.
#[derive(Debug)]
pub(super) struct Watchdog {
    every: Option<Duration>,
    next: Option<Instant>,
}

impl Watchdog {
    /// The one that was asked for in the environment, if any.
    pub(super) fn start(now: Instant) -> Self {
        // Twice in each of its periods, as sd_watchdog_enabled(3) has it.
        let every = sd_notify::watchdog_enabled().map(|period| period / 2);
        Self {
            every,
            next: every.map(|_| now),
        }
    }

    /// How often it is to be told.
    pub(super) fn every(&self) -> Option<Duration> {
        self.every
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Should the elections be asked now?
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = self.every.and_then(|every| now.checked_add(every));
        }
        due
    }

    /// The elections live.
    pub(super) fn feed(&self) {
        if self.every.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

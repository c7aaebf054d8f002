//! Being Master (RFC 9568 §6.4.3): advertising, announcing, and rivals.

use core::time::Duration;
use std::time::Instant;

use super::backup::Watch;
use super::{Election, RETRY};
use crate::interface::{Action, Advert, Reason, State, Timer};

/// When the neighbours are told again after the first announcement: a client may have asked while the former Master
/// still answered.
const BURST: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_millis(1000),
];

/// How long after the lease the kernel has certainly taken the addresses away from a Master that was killed: it
/// rounds up to whole seconds.
const LEASE_END: Duration = Duration::from_millis(1500);

/// What a Master remembers.
#[derive(Debug, Clone, Default)]
pub(super) struct Reign {
    /// When the running round of announcements began, and how many of it are done.
    round: Option<Instant>,
    step: usize,
    announced: Option<Instant>,
    /// When a rival was last answered by an advertisement out of turn.
    answered: Option<Instant>,
    /// When somebody more important was heard, and left to step back first.
    pub(super) outranked: Option<Instant>,
    /// Advertisements in a row that could not be sent, and whether the last one is among them.
    unsent: u8,
    last_unsent: bool,
    /// Took over from a lesser Master that lives, and has not advertised yet.
    challenges: bool,
}

impl Election {
    pub(super) fn become_master(&mut self, now: Instant, reason: Reason) {
        for timer in [
            Timer::MasterDown,
            Timer::PreemptDelay,
            Timer::Linger,
            Timer::Acquire,
            Timer::Adopt,
        ] {
            self.timers.stop(timer);
        }
        self.watch = Watch::new(&self.config);
        self.reign = Reign::default();
        self.stats.became_master += 1;
        self.advertise(now);
        self.reign.challenges = self.state == State::Preempting;
        if self.state != State::Preempting {
            self.acquire(now);
        }
        self.announce_round(now);
        self.transition(State::Master, reason);
    }

    pub(super) fn master_hears(&mut self, now: Instant, advert: Advert) {
        if advert.priority.is_stop() {
            // RFC 9568 §6.4.3: somebody who had been Master too stops; whoever watched it learns that we are here.
            self.answer(now);
            self.announce_round(now);
        } else if self.is_outranked_by(advert) {
            if !self.stands(now) {
                self.yield_to(now, advert);
            }
        } else {
            self.stats.lesser_masters_heard += 1;
            self.answer(now);
            self.announce_round(now);
        }
    }

    fn is_outranked_by(&self, advert: Advert) -> bool {
        advert.priority > self.priority
            || advert.priority == self.priority
                && self.source.is_some_and(|ours| advert.source > ours)
    }

    /// Advertises at once, but out of turn at most once in an interval: a flood is not answered by a flood.
    fn answer(&mut self, now: Instant) {
        let interval = self.config.interval.duration();
        if self
            .reign
            .answered
            .is_none_or(|last| now.saturating_duration_since(last) >= interval)
        {
            self.reign.answered = Some(now);
            self.advertise(now);
        }
    }

    pub(super) fn advertise(&mut self, now: Instant) {
        self.advertise_next(now + self.config.interval.duration());
    }

    fn advertise_next(&mut self, next: Instant) {
        if !self.reign.last_unsent {
            self.reign.unsent = 0;
            self.reign.challenges = false;
        }
        self.reign.last_unsent = false;
        self.stats.adverts_sent += 1;
        self.push(Action::Advertise(self.priority));
        self.timers.set(Timer::Advertise, next);
    }

    pub(super) fn advertise_due(&mut self, now: Instant, due: Instant) {
        if self.state == State::Leaving {
            self.say_goodbye();
            return;
        }
        if !self.reign.last_unsent && self.hold.is_some_and(|hold| hold.held) {
            // It has worked for an interval, so that the next failure is the first of its kind.
            self.retry = RETRY.0;
        }
        let interval = self.config.interval.duration();
        let (next, anew) = (due + interval, now + interval);
        self.advertise_next(if next > now { next } else { anew });
        // The last advertisement was an interval before this one was due.
        if anew >= due + self.master_down_interval() {
            // We were silent for so long that somebody may have taken over and told the neighbours so.
            self.announce_round(now);
        }
    }

    pub(super) fn not_sent(&mut self, now: Instant) {
        self.stats.adverts_not_sent += 1;
        if self.state != State::Master || self.reign.last_unsent {
            return;
        }
        self.reign.last_unsent = true;
        self.reign.unsent = self.reign.unsent.saturating_add(1);
        // The lesser Master stays one and would not learn that the neighbours were told of another.
        if self.reign.challenges || self.reign.unsent >= self.config.missed_adverts.get() {
            self.faults.sending = true;
            self.faults_changed(now);
        }
    }

    /// Begins the round of announcements again: on becoming Master, and whenever the neighbours may have heard
    /// another one.
    fn announce_round(&mut self, now: Instant) {
        self.reign.round = Some(now);
        self.reign.step = 0;
        let recent = |last: Instant| now.saturating_duration_since(last) < BURST[0];
        if !self.reign.announced.is_some_and(recent) {
            self.announce(now);
        }
        self.next_announcement(now);
    }

    pub(super) fn announce_again(&mut self, now: Instant) {
        if self.state == State::Master {
            self.announce_round(now);
        }
    }

    /// What is left of the round, or of the time until the next refresh, by the schedule of now.
    pub(super) fn reschedule_announcements(&mut self, now: Instant) {
        self.reign.step = 0;
        self.next_announcement(now);
    }

    pub(super) fn announce_due(&mut self, now: Instant) {
        self.announce(now);
        self.next_announcement(now);
    }

    fn announce(&mut self, now: Instant) {
        self.reign.announced = Some(now);
        self.push(Action::Announce);
    }

    fn next_announcement(&mut self, now: Instant) {
        let schedule = self.config.announce;
        let Some(round) = self.reign.round else {
            return;
        };
        // Until its lease ends, the kernel of a Master that was killed answers whoever asks.
        let lease_end = self.config.lease_duration().map(|lease| lease + LEASE_END);
        let mut later = [
            schedule.again_after.filter(|after| *after > BURST[3]),
            lease_end,
        ];
        later.sort_unstable();
        let steps = BURST.into_iter().chain(later.into_iter().flatten());
        for (step, after) in steps.enumerate().skip(self.reign.step) {
            if round + after > now {
                self.reign.step = step + 1;
                self.timers.set(Timer::Announce, round + after);
                return;
            }
        }
        self.reign.step = usize::MAX;
        match schedule.refresh.filter(|every| !every.is_zero()) {
            Some(every) => self.timers.set(Timer::Announce, now + every),
            None => self.timers.stop(Timer::Announce),
        }
    }
}

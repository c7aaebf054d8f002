//! The log of what happens to the routers: the whole switch-over, in words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use locum_vrrp::election::{MasterSeen, Reason, Transition};
use locum_vrrp::{Event, EventKind, RouterStatus, State};
use tracing::{Level, event, info, warn};

use crate::fault::Faulty;
use crate::status::StateName;
use crate::words::{brief, reason, reason_word};

/// What is remembered of the routers between two events, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<BTreeMap<Arc<str>, Chapter>>>);

/// What is remembered of one router.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chapter {
    pub(crate) faulty: Faulty,
    /// Whom it watched last.
    master: Option<MasterSeen>,
    /// Since when it has been in its state.
    since: Option<Instant>,
    /// How it came there, in words.
    pub(crate) reason: Option<String>,
    /// Its addresses are still being added since then.
    adding_since: Option<Instant>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) text: String,
}

impl Journal {
    fn chapters(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Chapter>> {
        // A panic elsewhere leaves nothing half written here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of `router`.
    pub(crate) fn chapter(&self, router: &str) -> Chapter {
        self.chapters().get(router).cloned().unwrap_or_default()
    }

    /// Writes down that the router watches another master.
    pub(crate) fn watches(&self, status: &RouterStatus) {
        if !matches!(status.state, State::Backup | State::Leaving) {
            return;
        }
        let news = self
            .chapters()
            .entry(Arc::clone(&status.name))
            .or_default()
            .watches(status.master);
        if let Some(master) = news {
            info!(
                router = &*status.name,
                master = %master.source,
                priority = master.priority.get(),
                "{} follows the master {} (priority {})", status.name, master.source, master.priority
            );
        }
    }

    /// Writes down what happened; `heard` is the last that the router heard of any master.
    pub(crate) fn record(&self, event: &Event, heard: Option<MasterSeen>) {
        let line = {
            let mut chapters = self.chapters();
            let chapter = chapters.entry(Arc::clone(&event.router)).or_default();
            chapter.heard(heard);
            chapter.record(&event.router, event.at, &event.kind)
        };
        write(&event.router, &event.kind, &line);
    }
}

fn write(router: &str, kind: &EventKind, line: &Line) {
    if let EventKind::Transition(Transition {
        from, to, reason, ..
    }) = *kind
    {
        let (from, to) = (StateName::from(from), StateName::from(to));
        let reason = reason_word(reason);
        match line.level {
            Level::WARN => warn!(router, %from, %to, reason, "{}", line.text),
            _ => info!(router, %from, %to, reason, "{}", line.text),
        }
        return;
    }
    match line.level {
        Level::WARN => event!(Level::WARN, router, "{}", line.text),
        _ => event!(Level::INFO, router, "{}", line.text),
    }
}

impl Chapter {
    /// Takes note of the last that the router heard of a master, unless that was in an earlier state.
    fn heard(&mut self, master: Option<MasterSeen>) {
        let recent = |master: &MasterSeen| self.since.is_none_or(|since| master.at >= since);
        self.master = master.filter(recent).or(self.master);
    }

    /// Takes note of whom the router watches, and returns it if it is somebody new.
    fn watches(&mut self, master: Option<MasterSeen>) -> Option<MasterSeen> {
        let who = |seen: Option<MasterSeen>| seen.map(|seen| (seen.source, seen.priority));
        let news = master.filter(|_| who(master) != who(self.master));
        self.master = master.or(self.master);
        news
    }

    fn record(&mut self, router: &str, at: Instant, kind: &EventKind) -> Line {
        if let Some(fault) = self.faulty.note(kind) {
            return Line::warn(format!("{router}: {}. Cure: {}", fault.message, fault.cure));
        }
        if let &EventKind::Transition(transition) = kind {
            return self.transition(router, at, transition);
        }
        if let EventKind::AddressRestored { address } = kind {
            let cure = "find out who manages this interface too";
            return Line::warn(format!(
                "{router}: somebody removed {address}, it was put back: {cure}"
            ));
        }
        if let EventKind::GroupTransition { group, from, to } = kind {
            let (from, to) = (StateName::from(*from), StateName::from(*to));
            return Line::info(format!("sync group {group} is {to} now, it was {from}"));
        }
        if matches!(kind, EventKind::AddressesReleased) {
            return Line::info(format!("{router} has released its addresses"));
        }
        if !matches!(kind, EventKind::AddressesHeld) {
            return Line::info(format!("{router}: {kind:?}"));
        }
        Line::info(match self.adding_since.take() {
            Some(since) => {
                let took = brief(at.saturating_duration_since(since));
                format!("{router} holds its addresses, {took} after it began to take over")
            }
            None => format!("{router} holds its addresses"),
        })
    }

    fn transition(&mut self, router: &str, at: Instant, transition: Transition) -> Line {
        let why = reason(transition.reason, self.master, at);
        let before = self.since.replace(at).map_or_else(String::new, |since| {
            let lasted = brief(at.saturating_duration_since(since));
            format!(", after {lasted} as {}", StateName::from(transition.from))
        });
        let warn =
            matches!(transition.reason, Reason::LeaseLapsed) || transition.to == State::Fault;
        let text = match transition.to {
            State::Initialize => format!("{router} has stopped: {why}{before}"),
            State::Fault => format!("{router} cannot take part: {why}{before}"),
            State::Backup => format!("{router} is backup now: {why}{before}"),
            State::Preempting => format!("{router} is about to take over: {why}{before}"),
            State::Master => format!("{router} is master now: {why}{before}"),
            State::Leaving => {
                format!("{router} hands over, and answers until a successor does: {why}{before}")
            }
        };
        match transition.to {
            State::Preempting => self.adding_since = Some(at),
            State::Master => {
                self.adding_since = self.adding_since.or(Some(at));
                self.master = None;
            }
            State::Initialize | State::Fault => {
                self.adding_since = None;
                self.master = None;
            }
            State::Backup | State::Leaving => self.adding_since = None,
        }
        self.reason = Some(why);
        Line {
            level: if warn { Level::WARN } else { Level::INFO },
            text,
        }
    }
}

impl Line {
    const fn info(text: String) -> Self {
        Self {
            level: Level::INFO,
            text,
        }
    }

    const fn warn(text: String) -> Self {
        Self {
            level: Level::WARN,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use locum_vrrp::election::{Action, Advert, Config, Effect, Election, Input, Link};
    use locum_vrrp::{AdvertInterval, Priority};

    use super::*;
    use crate::clock;

    /// A router with a real election, and what is logged about it.
    struct Story {
        election: Election,
        chapter: Chapter,
        held: bool,
        now: Instant,
        log: Vec<String>,
    }

    impl Story {
        fn new(priority: u8) -> Self {
            let config =
                Config::new(AdvertInterval::v3(100).unwrap(), Priority::new(priority)).unwrap();
            Self {
                election: Election::new(config),
                chapter: Chapter::default(),
                held: false,
                now: clock::now(),
                log: Vec::new(),
            }
        }

        fn started(priority: u8) -> Self {
            let mut story = Self::new(priority);
            story.tell(Input::Link(Link::Up));
            story.tell(Input::Source(Some("192.0.2.2".parse().unwrap())));
            story.tell(Input::Startup);
            story
        }

        fn event(&mut self, kind: EventKind) {
            let line = self.chapter.record("web", self.now, &kind);
            write("web", &kind, &line);
            self.log.push(format!("{} {}", line.level, line.text));
        }

        fn tell(&mut self, input: Input) {
            self.chapter.watches(self.election.master());
            self.election.handle(self.now, input).unwrap();
            let actions: Vec<Action> = std::iter::from_fn(|| self.election.poll_action()).collect();
            let mut wanted = None;
            for action in actions {
                match action {
                    Action::Transition(transition) => self.event(EventKind::Transition(transition)),
                    Action::Hold { id, .. } => wanted = Some(id),
                    Action::Release => {
                        self.held = false;
                        self.event(EventKind::AddressesReleased);
                    }
                    Action::Advertise(_) | Action::Announce => {}
                }
            }
            self.chapter.watches(self.election.master());
            if let Some(id) = wanted {
                self.now += Duration::from_micros(400);
                if !std::mem::replace(&mut self.held, true) {
                    self.event(EventKind::AddressesHeld);
                }
                self.tell(Input::Effect(Effect::Held(id)));
            }
        }

        fn hears(&mut self, source: &str, priority: u8) {
            let source: IpAddr = source.parse().unwrap();
            let interval = AdvertInterval::v3(100).unwrap();
            let priority = Priority::new(priority);
            self.tell(Input::Advertisement(Advert {
                source,
                priority,
                interval,
            }));
        }

        /// Lets time pass, with every deadline served.
        fn pass(&mut self, length: Duration) {
            let end = self.now + length;
            while let Some(deadline) = self.election.poll_timeout().filter(|next| next.at <= end) {
                self.now = deadline.at.max(self.now);
                self.tell(Input::Timeout);
            }
            self.now = end;
        }

        fn until(&mut self, state: State) {
            for _ in 0..100 {
                if self.election.state() == state {
                    return;
                }
                self.now = self.election.poll_timeout().unwrap().at;
                self.tell(Input::Timeout);
            }
            panic!("never became {state:?}");
        }
    }
    #[test]
    fn a_master_that_dies_and_comes_back() {
        let mut story = Story::started(100);
        story.hears("192.0.2.3", 150);
        story.pass(Duration::from_secs(1));
        story.hears("192.0.2.3", 150);
        story.until(State::Master);
        story.pass(Duration::from_secs(75));
        story.hears("192.0.2.3", 150);
        story.pass(Duration::from_secs(1));
        story.hears("192.0.2.3", 150);
        story.until(State::Backup);
        insta::assert_snapshot!(story.log.join("\n"));
    }

    #[test]
    fn a_better_router_takes_over_and_hands_over_at_the_end() {
        let mut story = Story::started(150);
        for _ in 0..5 {
            story.hears("192.0.2.3", 100);
            story.pass(Duration::from_secs(1));
        }
        story.until(State::Master);
        story.pass(Duration::from_secs(3600));
        story.tell(Input::Shutdown);
        story.hears("192.0.2.3", 100);
        story.until(State::Initialize);
        insta::assert_snapshot!(story.log.join("\n"));
    }

    #[test]
    fn a_sync_group_that_moves_is_said_once() {
        let mut story = Story::started(150);
        story.log.clear();
        story.event(EventKind::GroupTransition {
            group: "site".into(),
            from: State::Backup,
            to: State::Master,
        });
        assert_eq!(
            story.log,
            ["INFO sync group site is master now, it was backup"]
        );
    }

    #[test]
    fn a_cable_pulled_and_an_address_stolen_are_warnings() {
        let mut story = Story::started(255);
        story.pass(Duration::from_secs(30));
        story.tell(Input::Link(Link::Down));
        let address = "192.0.2.10/24".parse().unwrap();
        story.event(EventKind::AddressRestored { address });
        let error = Arc::new(locum_vrrp::vip::AddressError::Foreign);
        story.event(EventKind::HoldFailed { address, error });
        insta::assert_snapshot!(story.log.join("\n"));
    }

    #[test]
    fn the_json_of_the_log_has_the_router() {
        let mut story = Story::started(150);
        story.log.clear();
        let lines = crate::logging::captured(|| {
            story.until(State::Master);
        });
        let master = lines
            .iter()
            .find(|line| line["to"] == "master")
            .expect("a line");
        assert_eq!(master["level"], "INFO");
        assert_eq!(master["router"], "web");
        assert_eq!(master["from"], "backup");
        assert_eq!(master["reason"], "master-silent");
        assert!(
            master["message"]
                .as_str()
                .unwrap()
                .starts_with("web is master now")
        );
    }

    #[test]
    fn only_a_new_master_is_news() {
        let mut chapter = Chapter::default();
        let mut story = Story::started(100);
        story.hears("192.0.2.3", 150);
        let first = story.election.master();
        assert_eq!(chapter.watches(first), first);
        story.pass(Duration::from_secs(1));
        story.hears("192.0.2.3", 150);
        assert_eq!(
            chapter.watches(story.election.master()),
            None,
            "the same one a second later"
        );
        story.hears("192.0.2.4", 200);
        assert_eq!(
            chapter.watches(story.election.master()),
            story.election.master()
        );
        assert_eq!(chapter.watches(None), None);
    }
}

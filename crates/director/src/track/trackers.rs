//! From what is found to what it amounts to for each virtual router.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::Verdict;
use super::input::Input;
use super::plan::{Plan, Watched};
use super::settings::{Health, Subject, Tracked, Tracking};
use super::state::{Effect, Kind, State};
use crate::events::What;
use crate::report::millis;
use crate::status::TrackerReport;

/// Everything that is watched. Pure: it is told what was found, and says what follows.
#[derive(Debug)]
pub(crate) struct Trackers {
    plan: Plan,
    states: BTreeMap<Subject, State>,
    /// Who makes something of it.
    users: BTreeMap<Subject, BTreeSet<String>>,
    /// The operator's priorities.
    priorities: BTreeMap<String, u8>,
    told: BTreeMap<String, Verdict>,
    /// The virtual routers whose verdict may be another.
    touched: BTreeSet<String>,
    events: VecDeque<What>,
}

impl Trackers {
    pub(crate) fn new(now: Instant, plan: Plan) -> Self {
        let mut trackers = Self {
            plan: Plan::default(),
            states: BTreeMap::new(),
            users: BTreeMap::new(),
            priorities: BTreeMap::new(),
            told: BTreeMap::new(),
            touched: BTreeSet::new(),
            events: VecDeque::new(),
        };
        trackers.replace(now, plan);
        // Whoever begins with its configuration knows this much.
        let plain = trackers.plan.routers.iter();
        trackers.told = plain
            .map(|(name, router)| {
                let priority = router.base;
                let fault = false;
                (name.clone(), Verdict { fault, priority })
            })
            .collect();
        trackers
    }

    /// Takes another configuration. What is the same in it keeps its state, and every virtual router is told anew.
    pub(crate) fn replace(&mut self, now: Instant, plan: Plan) {
        let mut before = std::mem::take(&mut self.states);
        for subject in plan.subjects() {
            let Some(fresh) = begin(subject, &plan.tracking, now) else {
                continue;
            };
            let state = match before.remove(subject) {
                Some(old) => old.carried_over(fresh),
                None => fresh,
            };
            self.states.insert(subject.clone(), state);
        }
        self.users.clear();
        for (router, watched) in &plan.routers {
            for Tracked { subject, .. } in &watched.tracked {
                let users = self.users.entry(subject.clone()).or_default();
                users.insert(router.clone());
            }
        }
        self.priorities
            .retain(|router, _| plan.routers.contains_key(router));
        self.touched = plan.routers.keys().cloned().collect();
        self.told.clear();
        self.plan = plan;
    }

    pub(crate) fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::File { name, content } => {
                self.found(now, &Subject::File(name), |state| state.file(content));
            }
            Input::Interface { name, link } => {
                self.found(now, &Subject::Interface(name), |state| state.link(link));
            }
            Input::Priority { router, priority } => {
                match priority {
                    Some(priority) => self.priorities.insert(router.clone(), priority),
                    None => self.priorities.remove(&router),
                };
                self.touched.insert(router);
            }
            Input::Process { name, running } => {
                self.found(now, &Subject::Process(name), |state| state.process(running));
            }
            Input::Script { script, outcome } => {
                let subject = Subject::Script(script.name.clone());
                self.found(now, &subject, |state| {
                    // A result of what a script was before a reload says nothing about what it is now.
                    if matches!(&state.kind, Kind::Script { settings, .. } if *settings == script) {
                        state.script(&outcome);
                    }
                });
            }
            Input::Service { name, health } => {
                self.found(now, &Subject::Service(name), |state| state.service(health));
            }
        }
    }

    fn found(&mut self, now: Instant, subject: &Subject, change: impl FnOnce(&mut State)) {
        let Some(state) = self.states.get_mut(subject) else {
            return;
        };
        let before = state.clone();
        change(state);
        let (was, is) = (before.health(), state.health());
        let is_file = matches!(state.kind, Kind::File { .. });
        // Of a file, each number is news.
        let news = if is_file {
            before.detail != state.detail
        } else {
            was != is
        };
        if !news {
            return;
        }
        state.since = now;
        let detail = state.detail.clone();
        if let Some(users) = self.users.get(subject) {
            self.touched.extend(users.iter().cloned());
        }
        let ok = self.is_ok(subject).unwrap_or(true);
        // That all is well at first is no news.
        if was.is_some() || !ok {
            self.events.push_back(What::Tracker {
                tracker: subject.to_string(),
                ok,
                detail,
            });
        }
    }

    /// Whether it is as it should be. Of a file: it can be read, and its number makes nobody worse.
    fn is_ok(&self, subject: &Subject) -> Option<bool> {
        let state = self.states.get(subject)?;
        let Kind::File { readable, .. } = state.kind else {
            return state.health().map(|health| health == Health::Up);
        };
        let users = self.users.get(subject).into_iter().flatten();
        let harmed = users
            .filter_map(|router| self.plan.routers.get(router))
            .flat_map(|watched| &watched.tracked)
            .filter(|tracked| tracked.subject == *subject)
            .any(
                |tracked| match state.effect(tracked.weight, tracked.reverse) {
                    Effect::Fault => true,
                    Effect::Weight(weight) => weight < 0,
                },
            );
        Some(readable && !harmed)
    }

    /// The next virtual router for which everything amounts to something else than it was told.
    pub(crate) fn poll_verdict(&mut self) -> Option<(String, Verdict)> {
        while let Some(router) = self.touched.pop_first() {
            let Some(verdict) = self.verdict(&router) else {
                continue;
            };
            if self.told.insert(router.clone(), verdict) != Some(verdict) {
                return Some((router, verdict));
            }
        }
        None
    }

    pub(crate) fn poll_event(&mut self) -> Option<What> {
        self.events.pop_front()
    }
    /// What everything amounts to for this virtual router.
    pub(super) fn verdict(&self, router: &str) -> Option<Verdict> {
        let Watched { base, tracked } = self.plan.routers.get(router)?;
        let mut fault = false;
        let mut sum = i64::from(*self.priorities.get(router).unwrap_or(base));
        for Tracked {
            subject,
            weight,
            reverse,
        } in tracked
        {
            let effect = self.states.get(subject);
            match effect.map(|state| state.effect(*weight, *reverse)) {
                Some(Effect::Fault) => fault = true,
                Some(Effect::Weight(weight)) => sum = sum.saturating_add(weight),
                None => {}
            }
        }
        let priority = match base {
            255 => 255,
            _ => u8::try_from(sum.clamp(1, 254)).unwrap_or(*base),
        };
        Some(Verdict { fault, priority })
    }

    pub(crate) fn report(&self, now: Instant) -> Vec<TrackerReport> {
        let states = self.states.iter();
        states
            .map(|(subject, state)| TrackerReport {
                kind: subject.kind().to_owned(),
                name: subject.name().to_owned(),
                ok: state.health().and_then(|_| self.is_ok(subject)),
                detail: state.detail.clone(),
                since_ms: millis(now.saturating_duration_since(state.since)),
            })
            .collect()
    }
}

/// What is known of it at first: nothing, or what a script's `init` says.
fn begin(subject: &Subject, tracking: &Tracking, now: Instant) -> Option<State> {
    let kind = match subject {
        Subject::File(name) => Kind::File {
            settings: tracking.files.iter().find(|one| one.name == *name)?.clone(),
            number: None,
            readable: true,
        },
        Subject::Process(name) => Kind::Process {
            settings: tracking
                .processes
                .iter()
                .find(|one| one.name == *name)?
                .clone(),
            running: None,
        },
        Subject::Script(name) => {
            let settings = tracking.scripts.iter().find(|one| one.name == *name)?;
            Kind::Script {
                settings: Arc::clone(settings),
                health: settings.init,
                against: 0,
            }
        }
        Subject::Interface(_) | Subject::Service(_) => Kind::Simple(None),
    };
    Some(State::new(kind, now))
}

//! The trackers with those who watch for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Verdict;
use super::input::Input;
use super::plan::Plan;
use super::settings::{Subject, TrackFile, TrackProcess, TrackScript};
use super::trackers::Trackers;
use super::watch::{self, Watcher};
use crate::clock;
use crate::events::What;
use crate::programs::Programs;
use crate::status::TrackerReport;

/// So many finds may wait; then those who watch do.
const QUEUE: usize = 1024;

/// Watches everything that virtual routers track.
#[derive(Debug)]
pub(crate) struct Driver {
    trackers: Trackers,
    programs: Programs,
    finds: mpsc::Receiver<Input>,
    sender: mpsc::Sender<Input>,
    scripts: BTreeMap<String, (Arc<TrackScript>, Watcher)>,
    /// Of files, interfaces and processes.
    others: Vec<Watcher>,
}

/// What the trackers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Happened(What),
    /// For this virtual router everything amounts to something else.
    Verdict(String, Verdict),
}

impl Driver {
    /// Must be called on a runtime.
    pub(crate) fn start(plan: Plan, programs: Programs) -> Self {
        let (sender, finds) = mpsc::channel(QUEUE);
        let mut driver = Self {
            trackers: Trackers::new(clock::now(), plan.clone()),
            programs,
            finds,
            sender,
            scripts: BTreeMap::new(),
            others: Vec::new(),
        };
        driver.watch(&plan);
        driver
    }

    /// Takes another configuration: what is the same goes on, and every verdict is told again.
    pub(crate) fn replace(&mut self, plan: Plan) {
        self.watch(&plan);
        self.trackers.replace(clock::now(), plan);
    }

    fn watch(&mut self, plan: &Plan) {
        let subjects = plan.subjects();
        let is_used = |subject: Subject| subjects.contains(&subject);
        let scripts = plan.tracking.scripts.iter();
        let scripts: Vec<_> = scripts
            .filter(|script| is_used(Subject::Script(script.name.clone())))
            .collect();
        let mut before = std::mem::take(&mut self.scripts);
        let count = u32::try_from(scripts.len()).unwrap_or(u32::MAX).max(1);
        for (place, script) in (0..count).zip(scripts) {
            let kept = before.remove(&script.name).filter(|(old, _)| old == script);
            let running = kept.unwrap_or_else(|| {
                // Scripts that are started together are spread over their interval.
                let phase = script.interval / count * place;
                let (programs, finds) = (self.programs.clone(), self.sender.clone());
                let watcher = watch::script(Arc::clone(script), phase, programs, finds);
                (Arc::clone(script), watcher)
            });
            self.scripts.insert(script.name.clone(), running);
        }

        let files = plan.tracking.files.iter();
        let files: Vec<TrackFile> = files
            .filter(|file| is_used(Subject::File(file.name.clone())))
            .cloned()
            .collect();
        let processes = plan.tracking.processes.iter();
        let processes: Vec<TrackProcess> = processes
            .filter(|process| is_used(Subject::Process(process.name.clone())))
            .cloned()
            .collect();
        let interfaces = subjects.iter().filter_map(|subject| match subject {
            Subject::Interface(name) => Some(name.clone()),
            Subject::File(_) | Subject::Process(_) | Subject::Script(_) | Subject::Service(_) => {
                None
            }
        });
        let interfaces: std::collections::BTreeSet<String> = interfaces.collect();
        // They begin by looking at everything, so they may begin anew.
        self.others.clear();
        if !files.is_empty() {
            self.others.push(watch::files(files, self.sender.clone()));
        }
        if !interfaces.is_empty() {
            self.others
                .push(watch::links(interfaces, self.sender.clone()));
        }
        if !processes.is_empty() {
            self.others
                .push(watch::processes(processes, self.sender.clone()));
        }
    }

    /// Takes what was found elsewhere: services, and the operator's priorities.
    pub(crate) fn send(&mut self, input: Input) {
        self.trackers.handle(clock::now(), input);
    }

    /// What is to be told next. Nothing is lost if the future is dropped.
    pub(crate) async fn recv(&mut self) -> Told {
        loop {
            if let Some((router, verdict)) = self.trackers.poll_verdict() {
                return Told::Verdict(router, verdict);
            }
            if let Some(what) = self.trackers.poll_event() {
                return Told::Happened(what);
            }
            // The channel never ends: a sender is here.
            match self.finds.recv().await {
                Some(input) => self.trackers.handle(clock::now(), input),
                None => std::future::pending().await,
            }
        }
    }
    pub(crate) fn report(&self) -> Vec<TrackerReport> {
        self.trackers.report(clock::now())
    }
}

//! The section `[[sync_group]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::crosscheck::{Unique, names, no_such_router};
use super::diagnostic::Diagnostic;
use super::section::{Report, Section};
use super::track::{self, Use};
use super::tracker::Located as Tracker;
use super::virtual_router::Located as Router;
use super::{SyncGroup, director, notify};
use crate::notify::StateScripts;

/// What was read of a section, with places for messages.
#[derive(Debug)]
pub(super) struct Located {
    name: Option<(String, Range<usize>)>,
    members: Vec<(String, Range<usize>)>,
    notify: StateScripts,
    pub(super) track: Vec<Use>,
}

impl Located {
    /// Its name, and the programs that are run for it.
    pub(super) fn told(&self) -> Option<(String, StateScripts)> {
        Some((self.name.as_ref()?.0.clone(), self.notify.clone()))
    }

    /// The whole, if nothing is missing.
    pub(super) fn group(self, trackers: &[Tracker]) -> Option<SyncGroup> {
        Some(SyncGroup {
            name: self.name?.0,
            members: self.members.into_iter().map(|(name, _)| name).collect(),
            track: track::resolve(&self.track, trackers),
        })
    }

    /// The names of its members.
    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }
}

pub(super) fn read(mut section: Section<'_>, report: &mut Report) -> Located {
    let name = section
        .require("name", "\"site\"", report)
        .and_then(|entry| Some((director::name(&entry, report)?, entry.span)));
    let mut members = Vec::new();
    if let Some(entry) = section.require("members", "[\"web\", \"mail\"]", report) {
        let named = entry.strings("web", report).into_iter();
        members = named
            .map(|(name, entry)| (name.to_owned(), entry.span))
            .collect();
        if entry.value.as_array().is_some_and(|array| array.len() < 2) {
            let wrong = entry.wrong("a sync group has at least two members", "too few");
            report.add(wrong.help(
                "list the names of virtual routers that must be master together, or remove the section",
            ));
        }
    }
    let notify = notify::states(&mut section, report);
    let track = track::read(&mut section, report);
    section.finish(report);
    Located {
        name,
        members,
        notify,
        track,
    }
}

/// What concerns the groups and the routers.
pub(super) fn check(groups: &[Located], routers: &[Router], report: &mut Report) {
    let group_names = groups.iter().filter_map(|group| group.name.as_ref());
    names("sync groups", group_names, report);
    let known: Vec<&str> = routers
        .iter()
        .filter_map(|router| Some(router.name.as_ref()?.0.as_str()))
        .collect();
    let by_name: BTreeMap<&str, &Router> = routers
        .iter()
        .filter_map(|router| Some((router.name.as_ref()?.0.as_str(), router)))
        .collect();
    let mut seen = Unique::new();
    for (name, span) in groups.iter().flat_map(|group| &group.members) {
        if let Some(first) = seen.insert(name, span) {
            report.add(
                Diagnostic::new(format!("the virtual router \"{name}\" is in two places"))
                    .at(span.clone())
                    .label("the second")
                    .related(first, "the first")
                    .help("a virtual router is in one sync group: remove it from the other, or join the two"),
            );
        }
        match by_name.get(name.as_str()) {
            None => report.add(no_such_router(name, span, &known)),
            Some(router) => owner(name, span, router, report),
        }
    }
}

fn owner(name: &str, span: &Range<usize>, router: &Router, report: &mut Report) {
    let Some((_, place)) = router.name.as_ref().filter(|_| router.is_owner) else {
        return;
    };
    report.add(
        Diagnostic::new(format!(
            "the address owner \"{name}\" cannot wait for the other members of a sync group"
        ))
        .at(span.clone())
        .label("is master whenever it runs")
        .related(place.clone(), "its priority is 255")
        .help("give it a priority from 1 to 254, or remove it from the group"),
    );
}

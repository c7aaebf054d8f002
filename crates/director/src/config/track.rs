//! The key `track` of a virtual router and of a sync group.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::track::{Subject, Tracked};

use super::crosscheck::{Unique, names};
use super::diagnostic::Diagnostic;
use super::section::{Entry, Report, Section};
use super::service::Services;
use super::tracker::Located as Tracker;
use super::{suggest, sync_group, virtual_router};

const EXAMPLE: &str = "track = [{ interface = \"eth1\", weight = -20 }]";

type Kind = (&'static str, fn(String) -> Subject);

/// The keys that say what is watched.
const KINDS: [Kind; 5] = [
    ("interface", Subject::Interface),
    ("script", Subject::Script),
    ("process", Subject::Process),
    ("file", Subject::File),
    ("service", Subject::Service),
];

/// One element, with places for messages.
#[derive(Debug)]
pub(super) struct Use {
    subject: Subject,
    span: Range<usize>,
    weight: Option<(i16, Range<usize>)>,
    reverse: bool,
}

/// A weight, of a tracker or of one use of it.
pub(super) fn weight(
    section: &mut Section<'_>,
    report: &mut Report,
) -> Option<(i16, Range<usize>)> {
    let entry = section.take("weight")?;
    Some((entry.signed(-253..=253, report)?, entry.span))
}

/// Reads the key `track`.
pub(super) fn read(section: &mut Section<'_>, report: &mut Report) -> Vec<Use> {
    let Some(entry) = section.take("track") else {
        return Vec::new();
    };
    let example = "{ interface = \"eth1\" }";
    let elements = entry.elements(example, report).unwrap_or_default();
    let mut seen = Unique::new();
    let mut uses = Vec::new();
    for element in &elements {
        let Some(used) = one(element, report) else {
            continue;
        };
        if let Some(first) = seen.insert(used.subject.clone(), &used.span) {
            report.add(twice(&used, first, "the first"));
        }
        uses.push(used);
    }
    uses
}

fn one(element: &Entry<'_>, report: &mut Report) -> Option<Use> {
    let mut section = Section::of("`track`", EXAMPLE, element, report)?;
    let given: Vec<_> = KINDS
        .into_iter()
        .filter_map(|(key, subject)| Some((section.take(key)?, subject)))
        .collect();
    let weight = weight(&mut section, report);
    let reverse = section
        .take("reverse")
        .and_then(|entry| entry.boolean(report));
    let mistakes = report.0.len();
    section.finish(report);
    let understood = mistakes == report.0.len();
    let (entry, subject) = match given.as_slice() {
        [(entry, subject)] => (entry, subject),
        // A misspelt key has been told.
        [] if !understood => return None,
        [] => {
            let wrong = element.wrong("this tracks nothing", "nothing is named");
            report.add(wrong.help(format!("write {EXAMPLE}: the keys are {}", kinds())));
            return None;
        }
        [_, (second, _), ..] => {
            let wrong = second.wrong("this tracks two things at once", "the second");
            report.add(wrong.help("put each in a table of its own: { … }, { … }"));
            return None;
        }
    };
    let name = match entry.key {
        "interface" => virtual_router::interface(entry, report)?,
        _ => entry.string("web", report)?.to_owned(),
    };
    Some(Use {
        subject: subject(name),
        span: entry.span.clone(),
        weight,
        reverse: reverse.unwrap_or_default(),
    })
}

fn kinds() -> String {
    suggest::list(&KINDS.map(|(key, _)| key))
}

fn twice(used: &Use, first: Range<usize>, label: &str) -> Diagnostic {
    Diagnostic::new(format!("the {} is tracked twice", shown(&used.subject)))
        .at(used.span.clone())
        .label("would count twice")
        .related(first, label)
        .help("remove one of them")
}

fn shown(subject: &Subject) -> String {
    format!("{} \"{}\"", subject.kind(), subject.name())
}

/// What concerns the trackers and those that track; mistakes and, second, warnings. Without `services` there may be any.
pub(super) fn check(
    trackers: &[Tracker],
    routers: &[virtual_router::Located],
    groups: &[sync_group::Located],
    services: Option<&Services>,
    report: &mut Report,
    warnings: &mut Report,
) {
    let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut named: BTreeMap<&str, Vec<(String, Range<usize>)>> = BTreeMap::new();
    for Tracker { subject, span, .. } in trackers {
        known
            .entry(subject.kind())
            .or_default()
            .push(subject.name());
        let place = (subject.name().to_owned(), span.clone());
        named.entry(subject.kind()).or_default().push(place);
    }
    for (kind, all) in &named {
        names(&format!("sections [[track_{kind}]]"), all.iter(), report);
    }
    let of_routers = routers.iter().flat_map(|router| &router.track);
    let of_groups = groups.iter().flat_map(|group| &group.track);
    let uses = of_routers.chain(of_groups);
    let is_service = |one: &Use| matches!(one.subject, Subject::Service(_));
    if let Some(services) = services
        && uses.clone().any(is_service)
    {
        known.insert("service", services.names());
    }
    let sets: BTreeMap<&str, BTreeSet<&str>> = known
        .iter()
        .map(|(kind, names)| (*kind, names.iter().copied().collect()))
        .collect();
    let mut used = BTreeSet::new();
    for one in uses {
        used.insert(&one.subject);
        let kind = one.subject.kind();
        let exists = sets
            .get(kind)
            .is_some_and(|names| names.contains(one.subject.name()));
        let is_elsewhere = match one.subject {
            // It may come later.
            Subject::Interface(_) => true,
            Subject::Service(_) => services.is_none(),
            Subject::File(_) | Subject::Process(_) | Subject::Script(_) => false,
        };
        if !is_elsewhere && !exists {
            let names = known.get(kind).map(Vec::as_slice).unwrap_or_default();
            report.add(unknown(one, names));
        }
    }
    of_both(routers, groups, report);
    let unused = trackers.iter().filter(|one| !used.contains(&one.subject));
    for one in unused {
        warnings.add(
            Diagnostic::new(format!("nobody tracks the {}", shown(&one.subject)))
                .at(one.span.clone())
                .label("is not watched")
                .help(format!(
                    "write track = [{{ {} = \"{}\" }}] in a [[virtual_router]] or [[sync_group]], or remove the section",
                    one.subject.kind(),
                    one.subject.name()
                )),
        );
    }
    for router in routers.iter().filter(|router| router.is_owner) {
        for (_, span) in router.track.iter().filter_map(|one| one.weight.as_ref()) {
            owner(router, span, warnings);
        }
    }
}

fn unknown(one: &Use, names: &[&str]) -> Diagnostic {
    let kind = one.subject.kind();
    let title = match kind {
        "service" => "[[virtual_service]]".to_owned(),
        _ => format!("[[track_{kind}]]"),
    };
    let label = match suggest::closest(one.subject.name(), names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "none is called so".to_owned(),
    };
    let help = match names {
        [] => format!("add a section {title}, or remove this"),
        _ => format!("the names of {title} are {}", suggest::list(names)),
    };
    Diagnostic::new(format!("there is no {}", shown(&one.subject)))
        .at(one.span.clone())
        .label(label)
        .help(help)
}

/// What a router and its group both track would count twice.
fn of_both(
    routers: &[virtual_router::Located],
    groups: &[sync_group::Located],
    report: &mut Report,
) {
    for group in groups.iter().filter(|group| !group.track.is_empty()) {
        let members: BTreeSet<&str> = group.members().collect();
        let members = routers.iter().filter(|router| {
            let name = router.name.as_ref();
            name.is_some_and(|(name, _)| members.contains(name.as_str()))
        });
        for one in members.flat_map(|router| &router.track) {
            let first = group.track.iter().find(|of| of.subject == one.subject);
            if let Some(first) = first {
                report.add(twice(one, first.span.clone(), "by its sync group too"));
            }
        }
    }
}

fn owner(router: &virtual_router::Located, span: &Range<usize>, warnings: &mut Report) {
    let Some((name, place)) = &router.name else {
        return;
    };
    warnings.add(
        Diagnostic::new(format!(
            "the address owner \"{name}\" has its priority, whatever it tracks"
        ))
        .at(span.clone())
        .label("has no effect")
        .related(place.clone(), "its priority is 255")
        .help(
            "remove the weight, so that it is a fault, or give the router a priority from 1 to 254",
        ),
    );
}

/// With the weights that the trackers have where the uses say nothing.
pub(super) fn resolve(uses: &[Use], trackers: &[Tracker]) -> Vec<Tracked> {
    let weight = |one: &Use| match one.weight {
        Some((weight, _)) => weight,
        None => trackers
            .iter()
            .find(|tracker| tracker.subject == one.subject)
            .map_or(0, |tracker| tracker.weight),
    };
    let all = uses.iter().map(|one| Tracked {
        subject: one.subject.clone(),
        weight: weight(one),
        reverse: one.reverse,
    });
    all.collect()
}

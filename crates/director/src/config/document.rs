//! The file as a whole.

use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::notify::StateScripts;
use crate::site::Site;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::memory::Memory;
use super::secret::{Files, SecretFile};
use super::section::{Entry, Report, Section};
use super::service::Services;
use super::source::Part;
use super::{
    Config, VirtualRouter, crosscheck, director, ipvs, notification, pieces, service, sync_group,
    track, tracker, virtual_router,
};

/// Gives the content of a file that the configuration refers to.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// A text and what it is called in messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a Arc<String>,
    pub(super) part: Part,
}

/// What has not changed since `before` is not read again.
pub(super) fn read(
    named: Named<'_>,
    file: ReadFile<'_>,
    before: &Memory,
) -> Result<Config, Vec<Diagnostic>> {
    match pieces::read(named, file, before) {
        Some(config) => Ok(config),
        None => whole(named, file),
    }
}

/// Reads it all at once, with the place of each mistake.
pub(super) fn whole(named: Named<'_>, file: ReadFile<'_>) -> Result<Config, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(named.text);
    let mut report = Report::default();
    for error in errors {
        report.add(syntax(error.message(), error.span()));
    }
    // What was understood of a file with broken syntax is too uncertain to be judged.
    if !report.0.is_empty() {
        return Err(report.0);
    }
    interpret(named, document.get_ref(), services, file, report)
}

fn services(top: &mut Section<'_>, report: &mut Report) -> Services {
    let sections = sections(top, "virtual_service", "[[virtual_service]]", report);
    let (mut services, mut shared) = (Services::default(), service::Shared::default());
    for section in sections {
        let (located, valid) = service::read(section, &mut shared, report);
        services.located.push(located);
        services.valid.extend(valid.map(Arc::new));
    }
    services
}

/// What `document` says; its virtual services are what `services` reads of it, or has read before.
pub(super) fn interpret<'t>(
    named: Named<'_>,
    document: &'t DeTable<'t>,
    services: impl FnOnce(&mut Section<'t>, &mut Report) -> Services,
    file: ReadFile<'_>,
    mut report: Report,
) -> Result<Config, Vec<Diagnostic>> {
    let mut top = Section::new("the configuration", document, 0..0);
    let director = top
        .take("director")
        .and_then(|entry| director::read(&entry, &mut report))
        .unwrap_or_default();
    let ipvs = top
        .take("ipvs")
        .and_then(|entry| ipvs::read(&entry, &mut report))
        .unwrap_or_default();
    let routers = sections(
        &mut top,
        "virtual_router",
        "[[virtual_router]]",
        &mut report,
    );
    let routers: Vec<virtual_router::Located> = routers
        .into_iter()
        .map(|section| virtual_router::read(section, file, &mut report))
        .collect();
    let groups = sections(&mut top, "sync_group", "[[sync_group]]", &mut report);
    let groups: Vec<sync_group::Located> = groups
        .into_iter()
        .map(|section| sync_group::read(section, &mut report))
        .collect();
    let trackers = tracker::read(&mut top, &mut report);
    let services = services(&mut top, &mut report);
    let mut secrets: Vec<SecretFile> = routers
        .iter()
        .flat_map(|located| located.secrets.iter().cloned())
        .collect();
    let mut files = Files {
        file,
        secrets: &mut secrets,
    };
    let mut notification = notification::read(&mut top, &mut files, &mut report);
    top.finish(&mut report);
    crosscheck::check(&routers, &services.located, ipvs.sync.as_ref(), &mut report);
    sync_group::check(&groups, &routers, &mut report);
    let mut warnings = Report::default();
    track::check(
        &trackers,
        &routers,
        &groups,
        match named.part {
            Part::Whole => Some(&services),
            Part::WithoutServices => None,
        },
        &mut report,
        &mut warnings,
    );
    let nothing = routers.is_empty() && services.is_empty() && named.part == Part::Whole;
    if nothing && report.0.is_empty() {
        report.add(nothing_to_do());
    }
    if !report.0.is_empty() {
        return Err(report.0);
    }
    let told = routers.iter().filter_map(|located| {
        let (name, _) = located.name.as_ref()?;
        Some((name.clone(), located.notify.clone()))
    });
    notification.routers = told
        .filter(|(_, told)| *told != StateScripts::default())
        .collect();
    let told = groups.iter().filter_map(sync_group::Located::told);
    notification.groups = told
        .filter(|(_, told)| *told != StateScripts::default())
        .collect();
    let virtual_routers: Vec<VirtualRouter> = routers
        .into_iter()
        .filter_map(|located| located.router(&trackers))
        .collect();
    let mut ipvs = ipvs.settings;
    if let Some(sync) = &mut ipvs.sync
        && sync.routers.is_empty()
    {
        sync.routers = virtual_routers
            .iter()
            .map(|router| router.name.clone())
            .collect();
    }
    let services = services.valid;
    for service in &services {
        if notification.fifo.is_some() || notification::programs(service) {
            let notice = notification::notice(service);
            notification.services.insert(service.name.clone(), notice);
        }
    }
    Ok(Config {
        director,
        virtual_routers,
        warnings: Diagnostics::warnings(named.name, named.text, warnings.0),
        secrets,
        notification,
        sync_groups: groups
            .into_iter()
            .filter_map(|located| located.group(&trackers))
            .collect(),
        tracking: tracker::settings(trackers),
        site: Arc::new(Site { ipvs, services }),
        memory: Memory::default(),
        rest: None,
    })
}

/// The tables of an array at the top level.
pub(super) fn sections<'t>(
    top: &mut Section<'t>,
    key: &'static str,
    title: &'static str,
    report: &mut Report,
) -> Vec<Section<'t>> {
    let entry = top.take(key);
    entry
        .map(|entry| tables(&entry, title, report))
        .unwrap_or_default()
}

/// The tables of an array like `[[virtual_router]]`.
pub(super) fn tables<'t>(
    entry: &Entry<'t>,
    title: &'static str,
    report: &mut Report,
) -> Vec<Section<'t>> {
    if !entry.value.is_array() {
        let help = format!("write {title}, with two brackets: there may be several");
        report.add(entry.mistyped("an array of tables", &help));
        return Vec::new();
    }
    let elements = entry.one_or_many();
    if elements.is_empty() {
        let wrong = entry.wrong(format!("there is no {title}"), "empty");
        report.add(wrong.help(format!("remove the line, and write {title} for each")));
    }
    let sections = elements
        .iter()
        .filter_map(|element| Section::of(title, title, element, report));
    sections.collect()
}

fn nothing_to_do() -> Diagnostic {
    Diagnostic::new(
        "there is no virtual router and no virtual service, so there is nothing to do",
    )
    .help("add a [[virtual_router]] with name, interface, vrid and addresses, or a [[virtual_service]] with name, address and servers")
}

fn syntax(message: &str, span: Option<std::ops::Range<usize>>) -> Diagnostic {
    // The parser says in the first line what is wrong, and in the next ones what it expected.
    let (what, expected) = message.split_once('\n').unwrap_or((message, ""));
    let diagnostic =
        Diagnostic::new(format!("not TOML: {what}")).label(expected.replace('\n', ", "));
    let help = "see https://toml.io for the syntax: strings in quotes, one key = value on a line";
    match span {
        Some(span) => diagnostic.at(span).help(help),
        None => diagnostic.help(help),
    }
}

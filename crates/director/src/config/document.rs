//! The file as a whole.

use std::io;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report, Section};
use super::virtual_router::Located;
use super::{Config, crosscheck, director, virtual_router};

/// Gives the content of a file that the configuration refers to.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

pub(super) fn read(text: &str, file: ReadFile<'_>) -> Result<Config, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut report = Report::default();
    for error in errors {
        report.add(syntax(error.message(), error.span()));
    }
    // What was understood of a file with broken syntax is too uncertain to be judged.
    if !report.0.is_empty() {
        return Err(report.0);
    }
    let mut top = Section::new("the configuration", document.get_ref(), 0..0);
    let director = top
        .take("director")
        .and_then(|entry| director::read(&entry, &mut report))
        .unwrap_or_default();
    let routers = top.take("virtual_router");
    let any = routers.is_some();
    let located: Vec<Located> = routers
        .map(|entry| tables(&entry, "[[virtual_router]]", &mut report))
        .unwrap_or_default()
        .into_iter()
        .map(|section| virtual_router::read(section, file, &mut report))
        .collect();
    refuse_later_sections(&mut top, &mut report);
    top.finish(&mut report);
    crosscheck::check(&located, &mut report);
    if !any && report.0.is_empty() {
        report.add(nothing_to_do());
    }
    if report.0.is_empty() {
        let virtual_routers = located
            .into_iter()
            .filter_map(|located| located.router)
            .collect();
        Ok(Config {
            director,
            virtual_routers,
        })
    } else {
        Err(report.0)
    }
}

fn refuse_later_sections(top: &mut Section<'_>, report: &mut Report) {
    let label = "only [director] and [[virtual_router]] so far";
    let checks = "remove it: this version does not balance load; the virtual address itself works";
    top.refuse("virtual_service", label, checks, report);
    let sync = "remove it: the routers of this version fail over one by one";
    top.refuse("sync_group", label, sync, report);
}

/// The tables of an array like `[[virtual_router]]`.
fn tables<'t>(entry: &Entry<'t>, title: &'static str, report: &mut Report) -> Vec<Section<'t>> {
    let DeValue::Array(array) = entry.value else {
        let help = format!("write {title}, with two brackets: there may be several");
        report.add(entry.mistyped("an array of tables", &help));
        return Vec::new();
    };
    let mut sections = Vec::new();
    for element in array.iter() {
        let element = Entry {
            key: entry.key,
            value: element.get_ref(),
            span: element.span(),
        };
        sections.extend(Section::of(title, title, &element, report));
    }
    if sections.is_empty() && array.is_empty() {
        report.add(nothing_to_do().at(entry.span.clone()).label("empty"));
    }
    sections
}

fn nothing_to_do() -> Diagnostic {
    Diagnostic::new("there is no virtual router, so there is nothing to do")
        .help("add a [[virtual_router]] with name, interface, vrid and addresses")
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

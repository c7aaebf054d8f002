//! Reading tables, with every mistake noted and reading going on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::suggest;

/// Collects the mistakes.
#[derive(Debug, Default)]
pub(super) struct Report(pub(super) Vec<Diagnostic>);

impl Report {
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }
}

/// A table of the file, read key by key; what nobody read is unknown.
#[derive(Debug)]
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// As it is written in the file.
    title: &'static str,
    header: Range<usize>,
    known: Vec<&'static str>,
    /// Known too, but nothing to be suggested.
    later: Vec<&'static str>,
}

/// One value of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry<'t> {
    pub(super) key: &'static str,
    pub(super) value: &'t DeValue<'t>,
    pub(super) span: Range<usize>,
}

impl<'t> Section<'t> {
    pub(super) fn new(title: &'static str, table: &'t DeTable<'t>, header: Range<usize>) -> Self {
        Self {
            table,
            title,
            header,
            known: Vec::new(),
            later: Vec::new(),
        }
    }

    /// The table that `entry` must be, written like `example`.
    pub(super) fn of(
        title: &'static str,
        example: &str,
        entry: &Entry<'t>,
        report: &mut Report,
    ) -> Option<Self> {
        let DeValue::Table(table) = entry.value else {
            report.add(entry.mistyped("a table", &format!("write {example}")));
            return None;
        };
        Some(Self::new(title, table, entry.span.clone()))
    }

    pub(super) fn header(&self) -> Range<usize> {
        self.header.clone()
    }

    /// The value of `key`, which is known from now on.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        Some(Entry {
            key,
            value: value.get_ref(),
            span: value.span(),
        })
    }

    /// The value of `key`, which is known from now on, but not suggested.
    pub(super) fn take_quietly(&mut self, key: &'static str) -> Option<Entry<'t>> {
        let entry = self.take(key);
        self.known.pop();
        self.later.push(key);
        entry
    }

    /// The value of `key`, which must be there.
    pub(super) fn require(
        &mut self,
        key: &'static str,
        example: &str,
        report: &mut Report,
    ) -> Option<Entry<'t>> {
        let entry = self.take(key);
        if entry.is_none() {
            report.add(
                Diagnostic::new(format!("`{key}` is missing"))
                    .at(self.header())
                    .label(format!("{} has no `{key}`", self.title))
                    .help(format!("add a line like {key} = {example}")),
            );
        }
        entry
    }

    /// The value of `key`, which a later version will understand.
    pub(super) fn refuse(
        &mut self,
        key: &'static str,
        label: &str,
        help: &str,
        report: &mut Report,
    ) {
        self.later.push(key);
        if let Some(value) = self.table.get(key) {
            report.add(
                Diagnostic::new(format!("`{key}` is not supported yet"))
                    .at(value.span())
                    .label(label)
                    .help(help),
            );
        }
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) && !self.later.contains(&name) {
                report.add(self.unknown(key, name));
            }
        }
    }

    fn unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>, name: &str) -> Diagnostic {
        let unknown = Diagnostic::new(format!("unknown key `{name}` in {}", self.title));
        let unknown = unknown.at(key.span());
        if let Some(cure) = suggest::from_keepalived(name) {
            return unknown
                .label("a word of keepalived")
                .help(format!("here it is {cure}"));
        }
        match suggest::nearest(name, &self.known) {
            Some(near) => unknown
                .label(format!("did you mean `{near}`?"))
                .help(format!("write `{near}`, or remove the line")),
            None => unknown.label("not known here").help(format!(
                "the keys of {} are {}",
                self.title,
                suggest::list(&self.known)
            )),
        }
    }
}

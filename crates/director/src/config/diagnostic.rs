//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

/// One mistake, with the place and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The bytes of the file it is about; `None` if it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is said right below these bytes.
    pub label: String,
    /// Another place that has to do with it.
    pub related: Option<(Range<usize>, String)>,
    /// What to do about it.
    pub help: String,
}

impl Diagnostic {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: None,
            label: String::new(),
            related: None,
            help: String::new(),
        }
    }

    pub(crate) fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// How diagnostics are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "two-valued by nature")]
pub enum Style {
    /// ASCII without colours, for files and pipes.
    Plain,
    /// Colours, for a terminal.
    Terminal,
}

/// Everything that is wrong with a file, or everything that is not well, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    name: String,
    text: String,
    lines: Lines,
    pub(super) list: Vec<Diagnostic>,
    severity: Severity,
}

/// How bad all of them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
}

impl Severity {
    const fn level(self) -> Level<'static> {
        match self {
            Self::Error => Level::ERROR,
            Self::Warning => Level::WARNING,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl Diagnostics {
    pub(super) fn new(name: &str, text: &str, list: Vec<Diagnostic>) -> Self {
        Self::of(Severity::Error, name, text, list)
    }

    /// What is no reason to refuse the file.
    pub(super) fn warnings(name: &str, text: &str, list: Vec<Diagnostic>) -> Self {
        Self::of(Severity::Warning, name, text, list)
    }

    fn of(severity: Severity, name: &str, text: &str, mut list: Vec<Diagnostic>) -> Self {
        for diagnostic in &mut list {
            diagnostic.span = diagnostic.span.take().map(|span| clamp(text, span));
            diagnostic.related = diagnostic
                .related
                .take()
                .map(|(span, label)| (clamp(text, span), label));
        }
        list.sort_by_key(|diagnostic| {
            diagnostic
                .span
                .as_ref()
                .map_or(usize::MAX, |span| span.start)
        });
        // Nobody looks for places in it.
        let text = if list.is_empty() { "" } else { text };
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            lines: Lines::new(text),
            list,
            severity,
        }
    }

    /// The mistakes.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them for people to read, each with its source line, and how many there are.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Terminal => Renderer::styled(),
        };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&renderer.render(&self.report(diagnostic)));
            out.push_str("\n\n");
        }
        out.push_str(&match self.list.len() {
            1 => format!("{}: 1 {}\n", self.name, self.severity.noun()),
            count => format!("{}: {count} {}s\n", self.name, self.severity.noun()),
        });
        out
    }

    /// All of them for programs to read: `{"schema": 1, "file", "errors": [{"message", "line", "column", "end_line",
    /// "end_column", "label", "help", "related"}]}`. Lines and columns (in characters) count from 1 and are absent
    /// where the mistake is about the file as a whole.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "schema": 1, "file": self.name, "errors": self.list_json() })
    }

    /// Each of them, as in [`to_json`](Self::to_json).
    pub(crate) fn list_json(&self) -> Vec<Value> {
        let all = self.list.iter();
        all.map(|diagnostic| self.error_json(diagnostic)).collect()
    }

    fn error_json(&self, diagnostic: &Diagnostic) -> Value {
        let mut object = json!({
            "message": diagnostic.message,
            "label": diagnostic.label,
            "help": diagnostic.help,
        });
        if let (Some(span), Some(object)) = (&diagnostic.span, object.as_object_mut()) {
            object.append(&mut self.place(span));
            if let Some((span, label)) = &diagnostic.related {
                let mut related = self.place(span);
                related.insert("label".to_owned(), json!(label));
                object.insert("related".to_owned(), Value::Object(related));
            }
        }
        object
    }

    fn place(&self, span: &Range<usize>) -> serde_json::Map<String, Value> {
        let (line, column) = self.lines.position(&self.text, span.start);
        let (end_line, end_column) = self.lines.position(&self.text, span.end);
        [
            ("line", line),
            ("column", column),
            ("end_line", end_line),
            ("end_column", end_column),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect()
    }

    fn report<'a>(&'a self, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
        let title = self
            .severity
            .level()
            .primary_title(diagnostic.message.as_str());
        let mut group = match &diagnostic.span {
            Some(span) => {
                title.element(self.snippet(AnnotationKind::Primary, span, &diagnostic.label))
            }
            None => title.element(Origin::path(self.name.as_str())),
        };
        if let Some((span, label)) = &diagnostic.related {
            group = group.element(self.snippet(AnnotationKind::Context, span, label));
        }
        if !diagnostic.help.is_empty() {
            group = group.element(Level::HELP.message(diagnostic.help.as_str()));
        }
        vec![group]
    }

    /// The lines of `span` only: rendering must not cost the whole file for each mistake.
    fn snippet<'a>(
        &'a self,
        kind: AnnotationKind,
        span: &Range<usize>,
        label: &'a str,
    ) -> Snippet<'a, Annotation<'a>> {
        let (before, after) = (
            self.text.get(..span.start).unwrap_or_default(),
            self.text.get(span.end..).unwrap_or_default(),
        );
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = after
            .find('\n')
            .map_or(self.text.len(), |newline| span.end + newline);
        let lines = self.text.get(start..end).unwrap_or_default();
        let lines = lines.trim_end_matches('\r');
        // What is trimmed may be what the mistake is about.
        let within = |offset: usize| (offset - start).min(lines.len());
        Snippet::source(lines)
            .line_start(self.lines.line(span.start))
            .path(self.name.as_str())
            .annotation(kind.span(within(span.start)..within(span.end)).label(label))
    }
}

/// `span` made to lie within `text`, on character boundaries, cut at the end of its first line.
fn clamp(text: &str, span: Range<usize>) -> Range<usize> {
    let start = boundary(text, span.start);
    let end = boundary(text, span.end).max(start);
    let line_end = text.get(start..end).and_then(|inside| inside.find('\n'));
    start..line_end.map_or(end, |newline| start + newline)
}

/// The last boundary of a character in `text` that is not after `offset`.
fn boundary(text: &str, offset: usize) -> usize {
    let is_boundary = |offset: &usize| text.is_char_boundary(*offset);
    (0..=offset.min(text.len()))
        .rev()
        .find(is_boundary)
        .unwrap_or_default()
}

/// Where the lines of a text start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self(std::iter::once(0).chain(after_newlines).collect())
    }

    /// The number, from 1, of the line with the byte at `offset`.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset)
    }

    /// Line and column, from 1, the column in characters.
    fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.0.get(line - 1).copied().unwrap_or_default();
        let column = text
            .get(start..offset)
            .map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

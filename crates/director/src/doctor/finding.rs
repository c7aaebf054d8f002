//! One thing that was found, and how it is shown.

use std::fmt::Write;

use serde::Serialize;
use serde::ser::SerializeStruct;
use serde_json::json;

use super::fix::Fixed;
use crate::config::Style;
use crate::sysctl::Key;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The site will fail.
    Error,
    /// It will work worse than it could, or fail on some day.
    Warning,
    /// Good to know.
    Info,
    /// It was looked at and is as it should be.
    Ok,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Its kind, for programs.
    pub(crate) id: &'static str,
    pub(crate) what: String,
    /// Why that matters; may be empty.
    pub(crate) why: String,
    /// What to do, as a command where one does it; may be empty.
    pub(crate) cure: String,
    /// The same as settings that can be made at once.
    pub(crate) fixes: Vec<(Key, &'static str)>,
}

impl Finding {
    pub(super) fn new(severity: Severity, id: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            id,
            what: what.into(),
            why: String::new(),
            cure: String::new(),
            fixes: Vec::new(),
        }
    }

    pub(super) fn error(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, id, what)
    }

    pub(super) fn warning(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, what)
    }

    pub(super) fn info(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Info, id, what)
    }

    pub(super) fn ok(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Ok, id, what)
    }

    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(super) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = cure.into();
        self
    }

    /// Cured by these settings.
    pub(super) fn set(mut self, fixes: impl IntoIterator<Item = (Key, &'static str)>) -> Self {
        self.fixes = fixes.into_iter().collect();
        let settings = self
            .fixes
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let settings: Vec<String> = settings.collect();
        self.cure = format!("sysctl -w {}", settings.join(" "));
        self
    }

    /// A paragraph, indented below its severity.
    pub(crate) fn to_text(&self, style: Style) -> String {
        let (word, colour) = match self.severity {
            Severity::Error => ("ERROR", "31;1"),
            Severity::Warning => ("WARNING", "33;1"),
            Severity::Info => ("NOTE", "36"),
            Severity::Ok => ("ok", "32"),
        };
        let word = match style {
            Style::Plain => format!("{word:<7}"),
            Style::Terminal => format!("\x1b[{colour}m{word:<7}\x1b[0m"),
        };
        let mut text = format!("{word}  {}\n", self.what);
        if !self.why.is_empty() {
            let _ = writeln!(text, "         {}", self.why);
        }
        if !self.cure.is_empty() {
            let _ = writeln!(text, "         cure: {}", self.cure);
        }
        text
    }
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Finding", 6)?;
        object.serialize_field("severity", &self.severity)?;
        object.serialize_field("id", self.id)?;
        object.serialize_field("what", &self.what)?;
        object.serialize_field("why", &self.why)?;
        object.serialize_field("cure", &self.cure)?;
        object.serialize_field("fixable", &!self.fixes.is_empty())?;
        object.end()
    }
}

/// The findings, the worst first, with what was fixed before and a summary after.
pub(crate) fn to_text(findings: &[Finding], fixed: &[Fixed], style: Style) -> String {
    let mut text = String::new();
    for one in fixed {
        let _ = writeln!(text, "{one}");
    }
    if fixed.iter().any(Fixed::is_done) {
        text.push_str(
            "that is until the next boot: to keep it, write it to /etc/sysctl.d/director.conf\n",
        );
    }
    if !fixed.is_empty() {
        text.push('\n');
    }
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity);
    for finding in sorted {
        text.push_str(&finding.to_text(style));
    }
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let _ = write!(
        text,
        "\n{}, {}",
        plural(count(Severity::Error), "error"),
        plural(count(Severity::Warning), "warning")
    );
    let fixable = findings.iter().filter(|finding| finding.is_fixable());
    match fixable.count() {
        0 => text.push('\n'),
        count => {
            let _ = writeln!(text, "; --fix cures {count}");
        }
    }
    text
}

fn plural(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

/// The same for programs.
pub(crate) fn to_json(findings: &[Finding], fixed: &[Fixed]) -> serde_json::Value {
    let errors = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    json!({ "schema": 1, "good": !errors, "findings": findings, "fixed": fixed })
}

impl Finding {
    /// Is it worth mending, and can it be at once?
    pub(super) fn is_fixable(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Warning) && !self.fixes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("capabilities", "this process may do all it has to"),
            Finding::warning("service-unheld", "nobody takes 192.0.2.20").why("It is not reached."),
            Finding::error("ip-forward", "net.ipv4.ip_forward is 0")
                .why("Answers of servers are not forwarded.")
                .set([(Key::new("net/ipv4/ip_forward"), "1")]),
        ]
    }

    #[test]
    fn the_worst_comes_first() {
        let text = to_text(&findings(), &[], Style::Plain);
        insta::assert_snapshot!(text, @r"
        ERROR    net.ipv4.ip_forward is 0
                 Answers of servers are not forwarded.
                 cure: sysctl -w net.ipv4.ip_forward=1
        WARNING  nobody takes 192.0.2.20
                 It is not reached.
        ok       this process may do all it has to

        1 error, 1 warning; --fix cures 1
        ");
    }

    #[test]
    fn the_json_is_stable() {
        let json = to_json(&findings(), &[]);
        assert_eq!(json["schema"], 1);
        assert_eq!(json["good"], false);
        let expected = json!({
            "severity": "error",
            "id": "ip-forward",
            "what": "net.ipv4.ip_forward is 0",
            "why": "Answers of servers are not forwarded.",
            "cure": "sysctl -w net.ipv4.ip_forward=1",
            "fixable": true,
        });
        assert_eq!(json["findings"][2], expected);
    }
}

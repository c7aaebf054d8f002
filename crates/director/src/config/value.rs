//! Reading single values. Each function notes its mistake and returns `None`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::de::{DeArray, DeValue};

use super::diagnostic::Diagnostic;
use super::section::{Entry, Report};
use super::suggest;

impl<'t> Entry<'t> {
    /// A mistake at this value.
    pub(super) fn wrong(&self, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::new(message).at(self.span.clone()).label(label)
    }

    pub(super) fn mistyped(&self, wanted: &str, help: &str) -> Diagnostic {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.wrong(
            format!("`{}` must be {wanted}", self.key),
            format!("this is {found}"),
        )
        .help(help)
    }

    pub(super) fn string(&self, example: &str, report: &mut Report) -> Option<&'t str> {
        let string = self.value.as_str();
        if string.is_none() {
            let help = format!("write it in quotes, as in \"{example}\"");
            report.add(self.mistyped("a string", &help));
        }
        string
    }

    pub(super) fn boolean(&self, report: &mut Report) -> Option<bool> {
        let boolean = self.value.as_bool();
        if boolean.is_none() {
            report.add(self.mistyped("true or false", "write true or false, without quotes"));
        }
        boolean
    }

    /// A whole number within `range`.
    pub(super) fn number<T>(&self, range: RangeInclusive<T>, report: &mut Report) -> Option<T>
    where
        T: Copy + Display + PartialOrd + TryFrom<u64>,
    {
        let (low, high) = (*range.start(), *range.end());
        let Some(integer) = self.value.as_integer() else {
            let help = format!("write a number from {low} to {high}, without quotes");
            report.add(self.mistyped("a whole number", &help));
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| T::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            report.add(
                self.wrong(
                    format!("`{}` is out of range", self.key),
                    format!("not from {low} to {high}"),
                )
                .help(format!("use a number from {low} to {high}")),
            );
        }
        number
    }

    /// A whole number within `range`, which may be negative.
    pub(super) fn signed(&self, range: RangeInclusive<i16>, report: &mut Report) -> Option<i16> {
        let (low, high) = (range.start(), range.end());
        let Some(integer) = self.value.as_integer() else {
            let help = format!("write a number from {low} to {high}, without quotes");
            report.add(self.mistyped("a whole number", &help));
            return None;
        };
        let number = i16::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let wrong = self.wrong(
                format!("`{}` is out of range", self.key),
                format!("not from {low} to {high}"),
            );
            report.add(wrong.help(format!("use a number from {low} to {high}")));
        }
        number
    }

    /// A length of time like `"1s"` or `"100ms"`, at most `longest`.
    pub(super) fn duration(&self, longest: Duration, report: &mut Report) -> Option<Duration> {
        let Some(text) = self.value.as_str() else {
            let help = format!(
                "write it in quotes with a unit, as in {} = \"1s\"",
                self.key
            );
            report.add(self.mistyped("a length of time", &help));
            return None;
        };
        let Ok(duration) = humantime::parse_duration(text) else {
            report.add(
                self.wrong(
                    format!("`{}` is not a length of time", self.key),
                    "not understood",
                )
                .help("write a number with a unit, as in \"1s\", \"100ms\" or \"1m 30s\""),
            );
            return None;
        };
        if duration > longest {
            let longest = humantime::format_duration(longest);
            report.add(
                self.wrong(
                    format!("`{}` is out of range", self.key),
                    format!("longer than {longest}"),
                )
                .help(format!("use at most \"{longest}\"")),
            );
            return None;
        }
        Some(duration)
    }

    /// A length of time within `range`.
    pub(super) fn duration_within(
        &self,
        range: RangeInclusive<Duration>,
        report: &mut Report,
    ) -> Option<Duration> {
        let duration = self.duration(*range.end(), report)?;
        if duration < *range.start() {
            let shortest = humantime::format_duration(*range.start());
            report.add(
                self.wrong(
                    format!("`{}` is out of range", self.key),
                    format!("shorter than {shortest}"),
                )
                .help(format!("use at least \"{shortest}\"")),
            );
            return None;
        }
        Some(duration)
    }

    /// One of the words of `choices`.
    pub(super) fn choice<T: Copy>(
        &self,
        choices: &[(&'static str, T)],
        report: &mut Report,
    ) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
        let text = self.string(words.first().unwrap_or(&""), report)?;
        let found = choices.iter().find(|&&(word, _)| word == text);
        if found.is_none() {
            let near = suggest::value_from_keepalived(text).filter(|near| words.contains(near));
            let label = match near.or_else(|| suggest::nearest(text, &words)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "not known".to_owned(),
            };
            report.add(
                self.wrong(format!("unknown `{}` \"{text}\"", self.key), label)
                    .help(format!("the choices are {}", suggest::list(&words))),
            );
        }
        found.map(|&(_, choice)| choice)
    }

    /// A string that is parsed into `T`.
    pub(super) fn parsed<T>(&self, what: &str, example: &str, report: &mut Report) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = self.string(example, report)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                report.add(
                    self.wrong(format!("\"{text}\" is not {what}"), error.to_string())
                        .help(format!("write it like \"{example}\"")),
                );
                None
            }
        }
    }

    /// One string, or each of an array of them.
    pub(super) fn strings(&self, example: &str, report: &mut Report) -> Vec<(&'t str, Self)> {
        let elements = if self.value.is_str() {
            vec![self.clone()]
        } else {
            self.elements(&format!("\"{example}\""), report)
                .unwrap_or_default()
        };
        let strings = elements
            .into_iter()
            .filter_map(|element| Some((element.string(example, report)?, element)));
        strings.collect()
    }

    /// A table, or each of an array of tables.
    pub(super) fn one_or_many(&self) -> Vec<Self> {
        if let DeValue::Array(array) = self.value {
            self.children(array)
        } else {
            vec![self.clone()]
        }
    }

    /// The elements of an array, each under this key's name.
    pub(super) fn elements(&self, example: &str, report: &mut Report) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.value else {
            let help = format!("put it in brackets, as in {} = [{example}]", self.key);
            report.add(self.mistyped("an array", &help));
            return None;
        };
        Some(self.children(array))
    }

    fn children(&self, array: &'t DeArray<'t>) -> Vec<Self> {
        let children = array.iter().map(|element| Entry {
            key: self.key,
            value: element.get_ref(),
            span: element.span(),
        });
        children.collect()
    }
}

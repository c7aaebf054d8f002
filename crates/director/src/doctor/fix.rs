//! Makes the settings that findings ask for.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::Serialize;
use serde::ser::SerializeStruct;

use super::finding::Finding;
use crate::sysctl::Key;

/// A setting that was to be made.
#[derive(Debug)]
pub(crate) struct Fixed {
    key: Key,
    before: Option<String>,
    value: &'static str,
    outcome: io::Result<()>,
}

impl Fixed {
    /// Was it made?
    pub(crate) const fn is_done(&self) -> bool {
        self.outcome.is_ok()
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, .. } = self;
        match (&self.outcome, &self.before) {
            (Ok(()), Some(before)) => write!(f, "set {key} = {value} (was {before})"),
            (Ok(()), None) => write!(f, "set {key} = {value}"),
            (Err(error), _) => write!(f, "cannot set {key} = {value}: {error}"),
        }
    }
}

impl Serialize for Fixed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Fixed", 4)?;
        object.serialize_field("key", &self.key.to_string())?;
        object.serialize_field("before", &self.before)?;
        object.serialize_field("value", self.value)?;
        let error = self.outcome.as_ref().err().map(ToString::to_string);
        object.serialize_field("error", &error)?;
        object.end()
    }
}

/// Makes the settings that cure errors and warnings, each once.
pub(crate) fn fix(findings: &[Finding]) -> Vec<Fixed> {
    let wanted = findings.iter().filter(|finding| finding.is_fixable());
    let wanted: BTreeMap<&Key, &'static str> = wanted
        .flat_map(|finding| finding.fixes.iter().map(|(key, value)| (key, *value)))
        .collect();
    wanted
        .into_iter()
        .map(|(key, value)| Fixed {
            before: key.read().ok(),
            outcome: key.write(value),
            key: key.clone(),
            value,
        })
        .collect()
}

//! Why a change is not made, in words that tell what would be.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::config::closest;

/// Nothing lasts longer.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// So many names are listed.
const FEW: usize = 12;

#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error(
        "{group} is a sync group, and each of its virtual routers has a priority of its own: change those of {}",
        .members.join(" and ")
    )]
    Group { group: String, members: Vec<String> },
    #[error("there is no virtual router or sync group {0}")]
    NoParty(Choice),
    #[error("there is no virtual router {0}")]
    NoRouter(Choice),
    #[error("there is no server {} in {service}; {}", .choice.name, .choice.clause("it has"))]
    NoServer { service: String, choice: Choice },
    #[error("there is no virtual service {0}")]
    NoService(Choice),
    #[error("nothing of `{0}` can lapse: leave the time out")]
    NothingLapses(String),
    #[error(
        "{0} owns its addresses (priority 255), which are this machine's own and stay: give it a priority up to 254 in \
         the configuration"
    )]
    Owner(String),
    #[error(
        "the priority {0} is not one from 1 to 254: 0 and 255 have meanings of their own in VRRP"
    )]
    Priority(u8),
    #[error(
        "a change lasts at least a millisecond and at most {}",
        humantime::format_duration(LONGEST)
    )]
    Time,
    #[error("the weight {0} is more than the 2147483647 that the kernel takes")]
    Weight(u32),
}

/// A name that is not there, and those that are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    name: String,
    nearest: Option<String>,
    /// The first few.
    few: Vec<String>,
    all: usize,
}

impl Choice {
    pub(super) fn of<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Self {
        let known: Vec<&str> = known.collect();
        let few = known.iter().take(FEW).map(|&one| one.to_owned());
        Self {
            name: format!("{name:?}"),
            nearest: meant(name, &known),
            few: few.collect(),
            all: known.len(),
        }
    }

    /// `it has r1, r2; did you mean "r1"?`
    fn clause(&self, they: &str) -> String {
        let mut text = match (self.few.as_slice(), self.all - self.few.len()) {
            ([], _) => format!("{they} none"),
            (few, 0) => format!("{they} {}", few.join(", ")),
            (few, more) => format!("{they} {} and {more} more", few.join(", ")),
        };
        if let Some(near) = &self.nearest {
            text.push_str(&format!("; did you mean {near:?}?"));
        }
        text
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let they = if self.all == 1 {
            "there is only"
        } else {
            "there are"
        };
        write!(f, "{}; {}", self.name, self.clause(they))
    }
}

/// Of names that are as near, such as `r1` and `r2` to `r9`, none.
fn meant(name: &str, known: &[&str]) -> Option<String> {
    let near = closest(name, known)?;
    let others: Vec<&str> = known.iter().copied().filter(|&one| one != near).collect();
    let distance = |one| strsim::damerau_levenshtein(name, one);
    let tied = closest(name, &others).is_some_and(|other| distance(other) == distance(near));
    (!tied).then(|| near.to_owned())
}

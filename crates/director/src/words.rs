//! What states, reasons and faults are called, in logs and status alike.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use locum_vrrp::State;
use locum_vrrp::election::{Faults, MasterSeen, Reason};

use crate::status::StateName;

impl From<State> for StateName {
    fn from(state: State) -> Self {
        match state {
            State::Initialize => Self::Initialize,
            State::Fault => Self::Fault,
            State::Backup => Self::Backup,
            State::Preempting => Self::Preempting,
            State::Master => Self::Master,
            State::Leaving => Self::Leaving,
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initialize => "initialize",
            Self::Fault => "fault",
            Self::Backup => "backup",
            Self::Preempting => "preempting",
            Self::Master => "master",
            Self::Leaving => "leaving",
        })
    }
}

/// A stable word for a reason.
pub(crate) const fn reason_word(reason: Reason) -> &'static str {
    match reason {
        Reason::Started => "started",
        Reason::Stopped => "stopped",
        Reason::Owner => "owner",
        Reason::MasterSilent => "master-silent",
        Reason::MasterStopped => "master-stopped",
        Reason::MasterLesser => "master-lesser",
        Reason::Outranked { .. } => "outranked",
        Reason::Succeeded => "succeeded",
        Reason::NoSuccessor => "no-successor",
        Reason::LeaseLapsed => "lease-lapsed",
        Reason::Faulty(_) => "faulty",
        Reason::Recovered => "recovered",
        Reason::GroupMember { .. } => "group-member",
        Reason::Adopted => "adopted",
        Reason::StandBy => "stand-by",
        _ => "other",
    }
}

/// A reason as a clause; `master` is whom the router watched before, and `at` the moment.
pub(crate) fn reason(reason: Reason, master: Option<MasterSeen>, at: Instant) -> String {
    let known = master.map(|master| {
        format!(
            "the master {} (priority {})",
            master.source, master.priority
        )
    });
    let master_or = |unknown: &str| known.clone().unwrap_or_else(|| unknown.to_owned());
    match reason {
        Reason::Started => "it was started".to_owned(),
        Reason::Stopped => "it was told to stop".to_owned(),
        Reason::Owner => "it owns the addresses (priority 255)".to_owned(),
        Reason::MasterSilent => match (known, master) {
            (Some(known), Some(master)) => {
                format!(
                    "{known} was silent for {}",
                    brief(at.saturating_duration_since(master.at))
                )
            }
            _ => "no master was heard".to_owned(),
        },
        Reason::MasterStopped => format!("{} said that it stops", master_or("the master")),
        Reason::MasterLesser => format!("{} is less important", master_or("the master")),
        Reason::Outranked { source, priority } => {
            format!("{source} is master with priority {priority}")
        }
        Reason::Succeeded => "its successor took over".to_owned(),
        Reason::NoSuccessor => "nobody took over in time".to_owned(),
        Reason::LeaseLapsed => "this process did not run for longer than the lease".to_owned(),
        Reason::Faulty(faults) => self::faults(faults),
        Reason::Recovered => "nothing is missing any more".to_owned(),
        Reason::GroupMember { .. } => {
            "another member of its sync group cannot be master".to_owned()
        }
        Reason::Adopted => "it goes on where a process that died was master".to_owned(),
        Reason::StandBy => "the operator has it handed over".to_owned(),
        // Reasons are only ever added: better a vague word than none.
        _ => "of another reason".to_owned(),
    }
}

fn faults(faults: Faults) -> String {
    let all = [
        (
            faults.link,
            "the interface is missing, down or without carrier",
        ),
        (faults.source, "there is no address to send from"),
        (faults.tracking, "something that is watched failed"),
        (faults.addresses, "the addresses could not be held"),
        (faults.sending, "advertisements could not be sent"),
    ];
    let present: Vec<&str> = all
        .into_iter()
        .filter(|&(present, _)| present)
        .map(|(_, text)| text)
        .collect();
    present.join(", and ")
}

/// An error with its causes.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A length of time with the two or so digits that matter: `3.61s`, `12ms`, `2h 5m`.
pub(crate) fn brief(length: Duration) -> String {
    let (seconds, millis) = (length.as_secs(), length.subsec_millis());
    match seconds {
        0 if millis == 0 => format!("{}us", length.subsec_micros()),
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{:02}s", millis / 10),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_brief() {
        let of_millis = |millis| brief(Duration::from_millis(millis));
        assert_eq!(brief(Duration::from_micros(250)), "250us");
        assert_eq!(
            [12, 3_609, 59_999, 60_000, 7_500_000, 180_000_000].map(of_millis),
            ["12ms", "3.60s", "59.99s", "1m 0s", "2h 5m", "2d 2h"]
        );
    }

    #[test]
    fn every_fault_is_named() {
        let mut all = Faults::default();
        assert_eq!(faults(all), "");
        all.link = true;
        all.addresses = true;
        assert_eq!(
            faults(all),
            "the interface is missing, down or without carrier, and the addresses could not be held"
        );
    }
}

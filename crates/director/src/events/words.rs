//! What happened, in a line for people.

use std::fmt;
use std::time::Duration;

use super::{Event, What};
use crate::words::brief;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = std::time::UNIX_EPOCH + Duration::from_millis(self.at_ms);
        let at = humantime::format_rfc3339_millis(at);
        write!(f, "{at} #{} {}", self.seq, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RouterState {
                router,
                from,
                to,
                priority,
                reason,
            } => {
                write!(f, "{router} is {to} (was {from}), priority {priority}")?;
                because(f, Some(reason))
            }
            Self::GroupState { group, from, to } => {
                write!(f, "sync group {group} is {to} (was {from})")
            }
            Self::RouterFault {
                router,
                message,
                cure,
            } => {
                write!(f, "{router}: {message}")?;
                because(f, Some(cure))
            }
            Self::ServerState {
                service,
                server,
                address,
                up,
                reason,
                first,
                held,
            } => {
                let now = if *up { "up" } else { "down" };
                let first = if *first { " at first" } else { "" };
                write!(f, "{server} ({address}) of {service} is {now}{first}")?;
                if *held {
                    f.write_str(", and stays in service while too many failed at once")?;
                }
                because(f, reason.as_deref())
            }
            Self::ServerWeight {
                service,
                server,
                address,
                from,
                to,
            } => write!(
                f,
                "{server} ({address}) of {service} has weight {to} (had {from})"
            ),
            Self::ServerDrained {
                service,
                server,
                address,
                timed_out,
            } => {
                write!(f, "{server} ({address}) of {service} is out: ")?;
                f.write_str(if *timed_out {
                    "its time to drain was over"
                } else {
                    "its connections have ended"
                })
            }
            Self::Quorum {
                service,
                gained,
                weight,
                first,
            } => {
                let verb = match (gained, first) {
                    (true, true) => "has its quorum",
                    (true, false) => "has its quorum again",
                    (false, true) => "has not got its quorum",
                    (false, false) => "has lost its quorum",
                };
                write!(f, "{service} {verb}: its servers have weight {weight}")
            }
            Self::HoldBegan { servers, for_ms } => {
                let length = brief(Duration::from_millis(*for_ms));
                write!(
                    f,
                    "{servers} servers failed at once: they are kept for {length}"
                )
            }
            Self::HoldEnded { taken } => {
                write!(f, "servers are kept no longer: {taken} were taken out")
            }
            Self::Tracker {
                tracker,
                ok,
                detail,
            } => {
                let now = if *ok { "is well" } else { "fails" };
                write!(f, "{tracker}, which is watched, {now}")?;
                because(f, Some(detail))
            }
            Self::Reloaded { ok, detail } => {
                f.write_str(if *ok {
                    "the configuration was read again"
                } else {
                    "the configuration stays as it was"
                })?;
                because(f, Some(detail))
            }
            Self::Changed {
                action,
                uid,
                reason,
                lapses_ms,
            } => {
                write!(f, "changed by hand: {action}")?;
                if let Some(uid) = uid {
                    write!(f, ", by user {uid}")?;
                }
                if let Some(lapses) = lapses_ms {
                    write!(f, ", for {}", brief(Duration::from_millis(*lapses)))?;
                }
                because(f, reason.as_deref())
            }
            Self::ChangeEnded { action, lapsed } => {
                let how = if *lapsed {
                    "has lapsed"
                } else {
                    "was taken back"
                };
                write!(f, "a change by hand {how}: {action}")
            }
            Self::Process {
                process,
                detail,
                ok,
            } => {
                let now = if *ok { "works" } else { "does not work" };
                write!(f, "the process of {process} {now}")?;
                because(f, Some(detail))
            }
        }
    }
}

fn because(f: &mut fmt::Formatter<'_>, why: Option<&str>) -> fmt::Result {
    match why {
        None | Some("") => Ok(()),
        Some(why) => write!(f, ": {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::StateName;

    #[test]
    fn lines_for_people() {
        let event = Event {
            schema: Event::SCHEMA,
            run: "run".to_owned(),
            seq: 12,
            at_ms: 1_764_342_000_123,
            what: What::RouterState {
                router: "web".to_owned(),
                from: StateName::Backup,
                to: StateName::Master,
                priority: 150,
                reason: "no master was heard".to_owned(),
            },
        };
        assert_eq!(
            event.to_string(),
            "2025-11-28T15:00:00.123Z #12 web is master (was backup), priority 150: no master was heard"
        );
        let server = What::ServerState {
            service: "web".to_owned(),
            server: "r1".to_owned(),
            address: "10.0.0.1:80".parse().unwrap(),
            up: false,
            reason: Some("connection refused".to_owned()),
            first: false,
            held: true,
        };
        assert_eq!(
            server.to_string(),
            "r1 (10.0.0.1:80) of web is down, and stays in service while too many failed at once: connection refused"
        );
        let process = What::Process {
            process: "checker".to_owned(),
            detail: String::new(),
            ok: true,
        };
        assert_eq!(process.to_string(), "the process of checker works");
    }

    #[test]
    fn the_json_is_flat() {
        let event = Event {
            schema: Event::SCHEMA,
            run: "run".to_owned(),
            seq: 1,
            at_ms: 2,
            what: What::HoldEnded { taken: 3 },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"schema":1,"run":"run","seq":1,"at_ms":2,"type":"hold-ended","taken":3}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}

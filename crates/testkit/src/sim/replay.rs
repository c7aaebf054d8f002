//! Transcripts: of a simulation, and read again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use locum_vrrp_election::transcript::{EventLine, Line, ReadError, Seconds};
use locum_vrrp_election::{Action, Config, ConfigError, Election, State};
use thiserror::Error;

use super::invariant::Checks;
use super::scenario::Scenario;
use super::subject::Subject;
use super::text::{SCENARIO_HEADER, ScenarioError};
use super::world::{Outcome, Record, run};
use crate::epoch;

/// What a line of a scenario begins with in a transcript, where it is a note.
const EMBEDDED: &str = "#scenario ";

/// A text that cannot be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A line is none of a transcript.
    #[error("line {line}")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        error: ReadError,
    },
    /// A router of a transcript cannot have such a configuration.
    #[error("line {line}")]
    Config {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        error: ConfigError,
    },
    /// Something happens to a router that was not introduced.
    #[error("line {line}: there is no line `router` of this name before it")]
    NoRouter {
        /// Which, counted from 1.
        line: usize,
    },
    /// The scenario in it is none.
    #[error("the scenario is not understood")]
    Scenario(#[from] ScenarioError),
}

/// Runs `scenario` and writes down all that happened; the scenario is in the notes, so that the text can be run again.
#[must_use]
pub fn transcript<S: Subject>(scenario: &Scenario, checks: Checks) -> (Outcome, String) {
    let outcome = run::<S>(scenario, checks, Record::Transcript);
    let mut lines = outcome.transcript.iter();
    let mut text = String::new();
    if let Some(line) = lines.next() {
        text.push_str(line);
        text.push('\n');
    }
    for line in scenario.to_string().lines() {
        text.push_str(EMBEDDED);
        text.push_str(line);
        text.push('\n');
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    (outcome, text)
}

/// The scenario in `text`, if there is one: the text of a scenario, or a transcript of a simulation.
///
/// # Errors
///
/// [`ScenarioError`] if it is broken.
pub fn failing(text: &str) -> Result<Option<Scenario>, ScenarioError> {
    if text.trim_start().starts_with(SCENARIO_HEADER) {
        return text.trim_start().parse().map(Some);
    }
    let embedded: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(EMBEDDED))
        .collect();
    if embedded.is_empty() {
        return Ok(None);
    }
    embedded.join("\n").parse().map(Some)
}

/// One router of a transcript.
struct Replayed {
    election: Election,
    /// When it last was Master and advertised.
    advertised: Option<Instant>,
    differs: u32,
}

/// Runs the inputs of a transcript through elections of this version and tells what happens: each event in which
/// something does, where the outcome is another than was written down, and where a rule is broken that can be judged
/// of one router alone.
///
/// # Errors
///
/// [`ReplayError`].
pub fn explain(text: &str) -> Result<String, ReplayError> {
    let epoch = epoch();
    let mut routers: BTreeMap<&str, Replayed> = BTreeMap::new();
    let mut story = String::new();
    let (mut events, mut findings) = (0_u64, 0_u64);
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |error| ReplayError::Line {
            line: number,
            error,
        };
        match Line::parse(line).map_err(wrong)? {
            Line::Router { name, parameters } => {
                let config =
                    Config::try_from(&parameters).map_err(|error| ReplayError::Config {
                        line: number,
                        error,
                    })?;
                let _ = writeln!(story, "{name} begins: {parameters}");
                routers.insert(
                    name,
                    Replayed {
                        election: Election::new(config),
                        advertised: None,
                        differs: 0,
                    },
                );
            }
            Line::Event {
                at,
                router: name,
                input,
                outcome,
            } => {
                events += 1;
                let Some(router) = routers.get_mut(name) else {
                    return Err(ReplayError::NoRouter { line: number });
                };
                let now = epoch + at;
                let before = router.election.state();
                let late = router
                    .election
                    .poll_timeout()
                    .map(|next| now.saturating_duration_since(next.at));
                let result = router.election.handle(now, input);
                let actions: Vec<Action> =
                    std::iter::from_fn(|| router.election.poll_action()).collect();
                let event = EventLine {
                    epoch,
                    at: now,
                    router: name,
                    input,
                    result,
                    actions: &actions,
                };
                let after = router.election.state();
                if is_of_note(&actions) || before != after || result.is_err() {
                    let _ = writeln!(story, "{event}");
                }
                let ours = event.outcome().to_string();
                if ours != outcome {
                    router.differs += 1;
                    findings += 1;
                    let _ = writeln!(
                        story,
                        "  ! line {number} has another outcome: {outcome}; now it is: {ours}"
                    );
                }
                let overslept = late.filter(|late| late.as_millis() >= 10);
                for finding in judge(router, now, &actions, overslept.is_some()) {
                    findings += 1;
                    let _ = writeln!(story, "  ! line {number}: {finding}");
                }
                if let Some(late) = overslept {
                    let _ = writeln!(story, "  ({late:?} after its deadline)");
                }
            }
            // Another run of the program, written to the same file.
            Line::Header => routers.clear(),
            Line::Note(note) => {
                if !note.is_empty() {
                    let _ = writeln!(story, "# {note}");
                }
            }
            other => {
                let _ = writeln!(story, "{other:?}");
            }
        }
    }
    let _ = writeln!(story, "{events} events, {findings} findings");
    for (name, router) in &routers {
        let Replayed {
            election, differs, ..
        } = router;
        let _ = writeln!(
            story,
            "{name}: {:?} in the end, {} times Master, {} leases lapsed, {} late timeouts, {differs} other outcomes",
            election.state(),
            election.stats().became_master,
            election.stats().leases_lapsed,
            election.stats().late_timeouts,
        );
    }
    Ok(story)
}

/// A renewal, or an advertisement in its turn, is not worth a line.
fn is_of_note(actions: &[Action]) -> bool {
    actions.iter().any(|action| match action {
        Action::Advertise(priority) => priority.is_stop(),
        Action::Announce | Action::Release | Action::Transition(_) => true,
        Action::Hold { .. } => false,
    })
}

/// What is wrong with one router, whatever the others do.
fn judge(router: &mut Replayed, now: Instant, actions: &[Action], overslept: bool) -> Vec<String> {
    let mut findings = Vec::new();
    let state = router.election.state();
    let config = router.election.config();
    for action in actions {
        if let Action::Hold { until, .. } = action
            && let (Some(until), Some(lease)) = (until, config.lease_duration())
            && *until > now + lease
        {
            findings.push("held-by-right: the lease is longer than configured".to_owned());
        }
    }
    let holds = router.election.holds().is_some();
    if holds && matches!(state, State::Initialize | State::Fault) {
        findings.push(format!(
            "held-by-right: it holds the addresses in state {state:?}"
        ));
    }
    let advertised = actions
        .iter()
        .any(|one| matches!(one, Action::Advertise(_)));
    let last = router.advertised.take();
    if state == State::Master {
        let interval = config.interval().duration();
        let silent = last.map(|last| now.saturating_duration_since(last));
        if let Some(silent) = silent.filter(|silent| !overslept && *silent >= interval * 2) {
            let silent = Seconds(silent);
            findings.push(format!(
                "no-silent-master: nothing was advertised for {silent} s"
            ));
        }
        router.advertised = if advertised { Some(now) } else { last };
    }
    findings
}

//! Carries a plan out: all of it, or nothing.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use thiserror::Error;

use super::kernel::Kernel;
use super::plan::{self, Plan, PlanError, Request};
use super::record::{self, Record, RecordError};
use super::step::Step;
use crate::machine::Machine;

/// An interface that has to be made first makes a second plan, and an empty one ends it.
const ROUNDS: usize = 3;

/// Why nothing was changed, or not everything could be changed back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ActError {
    /// The facts cannot be read.
    #[error("the interfaces of this machine cannot be read")]
    Machine(#[source] io::Error),
    /// It cannot be done here.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What is to be undone cannot be remembered.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A step failed, and what was done before it was undone.
    #[error("cannot {step}; everything is as it was before")]
    RolledBack {
        step: Step,
        #[source]
        source: io::Error,
    },
    /// A step failed, and so did undoing others.
    #[error("cannot {step}; and not undone was: {}", join(stuck))]
    Stuck {
        step: Step,
        stuck: Vec<Step>,
        #[source]
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) steps: Vec<Step>,
    pub(crate) notes: Vec<String>,
    /// What is set up now.
    pub(crate) record: Record,
}

/// Makes the changes that makes a step; the kernel, or a fake of it.
pub(super) trait Hands {
    fn apply(&mut self, step: &Step) -> io::Result<()>;
    fn look(&mut self) -> io::Result<Machine>;
}

impl Hands for Kernel {
    fn apply(&mut self, step: &Step) -> io::Result<()> {
        Self::apply(self, step)
    }

    fn look(&mut self) -> io::Result<Machine> {
        Machine::read()
    }
}

/// Sets up what `request` says, with its record at `state`.
pub(crate) fn up(request: &Request, state: &Path) -> Result<Done, ActError> {
    let mut kernel = Kernel::open().map_err(ActError::Machine)?;
    carry_out(&mut kernel, state, ROUNDS, |machine, record| {
        plan::up(request, machine, record)
    })
}

/// Takes back `addresses`, or all if none are named.
pub(crate) fn down(addresses: &[IpAddr], state: &Path) -> Result<Done, ActError> {
    let mut kernel = Kernel::open().map_err(ActError::Machine)?;
    carry_out(&mut kernel, state, 1, |machine, record| {
        plan::down(addresses, machine, record)
    })
}

fn carry_out(
    hands: &mut impl Hands,
    state: &Path,
    rounds: usize,
    plan: impl Fn(&Machine, &Record) -> Result<Plan, PlanError>,
) -> Result<Done, ActError> {
    let _lock = record::lock(state)?;
    let before = Record::read(state)?;
    let mut done = Done {
        record: before.clone(),
        ..Done::default()
    };
    for _ in 0..rounds {
        let planned = hands
            .look()
            .map_err(ActError::Machine)
            .and_then(|machine| Ok(plan(&machine, &done.record)?));
        let Plan {
            steps,
            record,
            notes,
        } = match planned {
            Ok(plan) => plan,
            // What an earlier round made is of no use without this one.
            Err(error) => return Err(give_up(hands, state, &before, done.steps, error)),
        };
        done.notes = notes;
        let changed = record != done.record;
        done.record = record;
        if steps.is_empty() && !changed {
            break;
        }
        // Before the steps: if this process dies between them, `down` still knows what may have been done.
        let recorded = union(&before, &done.record).write(state);
        if let Err(error) = recorded {
            return Err(give_up(hands, state, &before, done.steps, error.into()));
        }
        for step in steps {
            if let Err(source) = hands.apply(&step) {
                return Err(roll_back(hands, state, &before, done.steps, step, source));
            }
            done.steps.push(step);
        }
    }
    done.record.write(state)?;
    Ok(done)
}

/// Both what was to be undone and what will be: nothing of it is forgotten whenever this process dies.
fn union(before: &Record, after: &Record) -> Record {
    let mut all = before.clone();
    let addresses = after.virtual_addresses.clone();
    all.virtual_addresses.extend(addresses);
    all.links.extend(after.links.clone());
    all.sysctls.extend(after.sysctls.clone());
    all
}

fn undo(hands: &mut impl Hands, done: Vec<Step>) -> Vec<Step> {
    let mut stuck = Vec::new();
    for step in done.into_iter().rev() {
        if hands.apply(&step.clone().inverse()).is_err() {
            stuck.push(step);
        }
    }
    stuck
}

fn give_up(
    hands: &mut impl Hands,
    state: &Path,
    before: &Record,
    done: Vec<Step>,
    error: ActError,
) -> ActError {
    if undo(hands, done).is_empty() {
        // The error that is told is the first one.
        let _ = before.write(state);
    }
    error
}

fn roll_back(
    hands: &mut impl Hands,
    state: &Path,
    before: &Record,
    done: Vec<Step>,
    step: Step,
    source: io::Error,
) -> ActError {
    let stuck = undo(hands, done);
    if stuck.is_empty() {
        // If that fails, the record names more than there is, which `down` takes for undone.
        let _ = before.write(state);
        ActError::RolledBack { step, source }
    } else {
        ActError::Stuck {
            step,
            stuck,
            source,
        }
    }
}

fn join(steps: &[Step]) -> String {
    let all: Vec<String> = steps.iter().map(ToString::to_string).collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::Method;
    use super::*;
    use crate::machine::made_up;

    /// Refuses the step with this number, and all that undo something if told so.
    struct Clumsy {
        steps: Vec<String>,
        refuse: usize,
        refuse_rest: bool,
    }

    impl Hands for Clumsy {
        fn apply(&mut self, step: &Step) -> io::Result<()> {
            self.steps.push(step.to_string());
            let number = self.steps.len() - 1;
            if number == self.refuse || (self.refuse_rest && number > self.refuse) {
                Err(io::ErrorKind::PermissionDenied.into())
            } else {
                Ok(())
            }
        }

        fn look(&mut self) -> io::Result<Machine> {
            Ok(made_up::machine())
        }
    }

    fn request() -> Request {
        Request {
            addresses: vec!["192.0.2.10".parse().unwrap()],
            method: Method::Direct,
            interface: None,
        }
    }

    fn attempt(hands: &mut Clumsy, state: &Path) -> Result<Done, ActError> {
        carry_out(hands, state, 1, |machine, record| {
            plan::up(&request(), machine, record)
        })
    }

    #[test]
    fn a_failure_undoes_what_was_done_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.json");
        for refuse in 0..5 {
            let mut hands = Clumsy {
                steps: Vec::new(),
                refuse,
                refuse_rest: false,
            };
            let error = attempt(&mut hands, &state).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("everything is as it was before"),
                "{error}"
            );
            assert_eq!(hands.steps.len(), 2 * refuse + 1, "{:?}", hands.steps);
            assert!(!state.exists(), "nothing is to be undone");
        }
    }

    #[test]
    fn what_could_not_be_undone_is_told_and_stays_recorded() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.json");
        let mut hands = Clumsy {
            steps: Vec::new(),
            refuse: 1,
            refuse_rest: true,
        };
        let error = attempt(&mut hands, &state).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot set net.ipv4.conf.all.arp_announce = 2 (was 0); and not undone was: \
             set net.ipv4.conf.all.arp_ignore = 1 (was 0)"
        );
        let record = Record::read(&state).unwrap();
        assert_eq!(record.sysctls.len(), 4);
    }

    #[test]
    fn a_success_leaves_its_record() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.json");
        let mut hands = Clumsy {
            steps: Vec::new(),
            refuse: usize::MAX,
            refuse_rest: false,
        };
        let done = attempt(&mut hands, &state).unwrap();
        assert_eq!(done.steps.len(), 5);
        assert_eq!(Record::read(&state).unwrap(), done.record);
        assert_eq!(done.record.virtual_addresses.len(), 1);
    }
}

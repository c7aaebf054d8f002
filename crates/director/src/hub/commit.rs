//! A configuration is taken by both sides or by none: first both find out whether they can, then both do. The start is
//! the first time. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::process::Side;

/// Within this time a side has read a configuration.
const PREPARING: Duration = Duration::from_secs(30);

/// Within this time a side has carried it out: routers that stop hand over first.
const COMMITTING: Duration = Duration::from_secs(60);

/// Who takes configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Checker,
    Routers,
}

impl Party {
    const ALL: [Self; 2] = [Self::Checker, Self::Routers];

    pub(super) fn side(self) -> Side {
        match self {
            Self::Checker => Side::Checker,
            Self::Routers => Side::Routers,
        }
    }

    /// The programs take none.
    pub(super) fn of(side: Side) -> Option<Self> {
        match side {
            Side::Checker => Some(Self::Checker),
            Side::Programs => None,
            Side::Routers => Some(Self::Routers),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.side().name())
    }
}

/// Who has to run before the first configuration is tried.
#[derive(Debug)]
pub(super) struct Awaited {
    needed: BTreeSet<Party>,
    open: BTreeSet<Party>,
}

impl Awaited {
    pub(super) fn new(needed: BTreeSet<Party>) -> Self {
        let open = needed.clone();
        Self { needed, open }
    }

    pub(super) fn nobody(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn runs(&mut self, party: Party) {
        self.open.remove(&party);
    }

    /// It does not run, or not any more. The virtual routers can do without checks.
    pub(super) fn lost(&mut self, party: Party) {
        match party {
            Party::Checker => self.runs(party),
            Party::Routers => self.open.extend(self.needed.get(&party)),
        }
    }
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Reload,
    /// Virtual routers wait until the servers have been checked, this long at most.
    Start {
        bound: Duration,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Committed(Party, Vec<String>),
    /// It has died, or has never been there.
    Lost(Party),
    Prepared(Party, Result<Vec<String>, String>),
    /// Every server has been checked once, or that lasts too long.
    Ready,
    Timeout,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// Forget it.
    Abort(Party),
    /// Do it. From the first of these on there is no way back.
    Commit(Party),
    /// It is over: what changed, or why nothing did.
    Over(Result<Vec<String>, String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Preparing,
    /// The checker side has begun, the virtual routers have not.
    Waiting,
    Committing,
    Over,
}

/// One change, from the first question to its end.
#[derive(Debug)]
pub(super) struct TwoPhase {
    kind: Kind,
    phase: Phase,
    deadline: Option<Instant>,
    /// Who has yet to answer in this phase, or to finish.
    open: BTreeSet<Party>,
    changes: Vec<String>,
}

impl TwoPhase {
    /// Both sides are to be asked now.
    pub(super) fn new(now: Instant, kind: Kind) -> Self {
        Self {
            kind,
            phase: Phase::Preparing,
            deadline: now.checked_add(PREPARING),
            open: BTreeSet::from(Party::ALL),
            changes: Vec::new(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// What is to be done, in this order.
    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match self.phase {
            Phase::Preparing => self.preparing(now, input),
            Phase::Waiting => self.waiting(now, input),
            Phase::Committing => self.committing(input),
            Phase::Over => Vec::new(),
        }
    }

    fn preparing(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match input {
            Input::Prepared(party, Ok(_)) => {
                self.open.remove(&party);
            }
            Input::Prepared(_, Err(why)) => return self.fail(why),
            // The pair goes on without checks, as it does without IPVS.
            Input::Lost(Party::Checker) if self.kind != Kind::Reload => {
                self.open.remove(&Party::Checker);
            }
            Input::Lost(party) => return self.fail(format!("the {party} process does not run")),
            Input::Timeout => {
                let silent: Vec<String> = self.open.iter().map(ToString::to_string).collect();
                return self.fail(format!(
                    "no answer from {} in {} s",
                    silent.join(" and "),
                    PREPARING.as_secs()
                ));
            }
            Input::Committed(..) | Input::Ready => {}
        }
        if !self.open.is_empty() {
            return Vec::new();
        }
        self.open = BTreeSet::from(Party::ALL);
        match self.kind {
            Kind::Reload => {
                self.enter(Phase::Committing, now, COMMITTING);
                Party::ALL.map(Output::Commit).to_vec()
            }
            Kind::Start { bound } => {
                self.enter(Phase::Waiting, now, bound);
                vec![Output::Commit(Party::Checker)]
            }
        }
    }

    fn waiting(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match input {
            Input::Committed(party, changes) => {
                self.done(party, changes);
                return Vec::new();
            }
            Input::Lost(Party::Routers) => {
                return self.fail("the routers process does not run".to_owned());
            }
            Input::Lost(Party::Checker) => self.done(Party::Checker, Vec::new()),
            Input::Prepared(..) => return Vec::new(),
            Input::Ready | Input::Timeout => {}
        }
        self.enter(Phase::Committing, now, COMMITTING);
        vec![Output::Commit(Party::Routers)]
    }

    fn committing(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Committed(party, changes) => self.done(party, changes),
            Input::Lost(party) if self.open.contains(&party) => {
                let later =
                    format!("the {party} process has died meanwhile, and takes it when it runs");
                self.done(party, vec![later]);
            }
            Input::Timeout => {
                for party in std::mem::take(&mut self.open) {
                    let late = format!("the {party} process has not said yet that it is done");
                    self.changes.push(late);
                }
            }
            Input::Lost(_) | Input::Prepared(..) | Input::Ready => {}
        }
        if !self.open.is_empty() {
            return Vec::new();
        }
        let changes = std::mem::take(&mut self.changes);
        self.end(Ok(changes))
    }

    fn done(&mut self, party: Party, changes: Vec<String>) {
        if self.open.remove(&party) {
            self.changes.extend(changes);
        }
    }

    fn fail(&mut self, why: String) -> Vec<Output> {
        let mut outputs = Party::ALL.map(Output::Abort).to_vec();
        outputs.extend(self.end(Err(why)));
        outputs
    }

    fn end(&mut self, result: Result<Vec<String>, String>) -> Vec<Output> {
        self.phase = Phase::Over;
        self.deadline = None;
        vec![Output::Over(result)]
    }

    fn enter(&mut self, phase: Phase, now: Instant, length: Duration) {
        self.phase = phase;
        self.deadline = now.checked_add(length);
    }
}

#[cfg(test)]
mod tests {
    use super::Party::{Checker, Routers};
    use super::*;
    use crate::clock;

    const START: Kind = Kind::Start {
        bound: Duration::from_secs(10),
    };

    fn prepared(party: Party) -> Input {
        Input::Prepared(party, Ok(Vec::new()))
    }

    fn refused(party: Party) -> Input {
        Input::Prepared(party, Err("no".to_owned()))
    }

    fn committed(party: Party, change: &str) -> Input {
        Input::Committed(party, vec![change.to_owned()])
    }

    fn over(result: Result<&[&str], &str>) -> Output {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Output::Over(result.map(owned).map_err(str::to_owned))
    }

    /// Feeds the inputs, and returns all outputs.
    fn run(kind: Kind, inputs: Vec<Input>) -> Vec<Output> {
        let now = clock::now();
        let mut machine = TwoPhase::new(now, kind);
        let outputs = inputs
            .into_iter()
            .flat_map(|input| machine.handle(now, input));
        outputs.collect()
    }

    #[test]
    fn a_start_awaits_whom_it_needs() {
        let mut both = Awaited::new(BTreeSet::from(Party::ALL));
        both.runs(Routers);
        both.lost(Routers);
        both.runs(Checker);
        assert!(!both.nobody(), "the routers' successor");
        both.lost(Checker);
        both.runs(Routers);
        assert!(both.nobody(), "checks can be done without");

        let mut checker = Awaited::new(BTreeSet::from([Checker]));
        checker.lost(Routers);
        assert!(!checker.nobody());
        checker.runs(Checker);
        assert!(checker.nobody());
    }

    #[test]
    fn both_prepare_then_both_commit() {
        for (first, second) in [(Checker, Routers), (Routers, Checker)] {
            let outputs = run(
                Kind::Reload,
                vec![
                    prepared(first),
                    prepared(second),
                    committed(first, "one"),
                    committed(second, "two"),
                ],
            );
            assert_eq!(
                outputs,
                [
                    Output::Commit(Checker),
                    Output::Commit(Routers),
                    over(Ok(&["one", "two"])),
                ]
            );
        }
    }

    #[test]
    fn what_one_cannot_take_nobody_takes() {
        let nothing = |why| {
            [
                Output::Abort(Checker),
                Output::Abort(Routers),
                over(Err(why)),
            ]
        };
        let table = [
            (vec![refused(Checker), prepared(Routers)], "no"),
            (vec![prepared(Checker), refused(Routers)], "no"),
            (vec![refused(Checker), refused(Routers)], "no"),
            (
                vec![Input::Timeout],
                "no answer from checker and routers in 30 s",
            ),
            (
                vec![prepared(Routers), Input::Timeout],
                "no answer from checker in 30 s",
            ),
            (
                vec![prepared(Routers), Input::Lost(Checker)],
                "the checker process does not run",
            ),
            (
                vec![prepared(Checker), Input::Lost(Routers)],
                "the routers process does not run",
            ),
            // One that had said yes may die as well.
            (
                vec![prepared(Checker), Input::Lost(Checker), prepared(Routers)],
                "the checker process does not run",
            ),
        ];
        for (inputs, why) in table {
            assert_eq!(
                run(Kind::Reload, inputs.clone()),
                nothing(why),
                "{inputs:?}"
            );
        }
    }

    #[test]
    fn there_is_no_way_back_from_the_first_commit() {
        let table = [
            (
                Input::Lost(Routers),
                "the routers process has died meanwhile, and takes it when it runs",
            ),
            (
                Input::Timeout,
                "the routers process has not said yet that it is done",
            ),
        ];
        for (input, words) in table {
            let outputs = run(
                Kind::Reload,
                vec![
                    prepared(Checker),
                    prepared(Routers),
                    committed(Checker, "one"),
                    input,
                    committed(Routers, "late"),
                ],
            );
            assert_eq!(outputs.last(), Some(&over(Ok(&["one", words]))));
        }
    }

    #[test]
    fn at_the_start_virtual_routers_wait_for_the_checks() {
        for go in [Input::Ready, Input::Timeout, Input::Lost(Checker)] {
            let mut inputs = vec![prepared(Routers), prepared(Checker)];
            assert_eq!(run(START, inputs.clone()), [Output::Commit(Checker)]);
            inputs.extend([committed(Checker, "one"), go, committed(Routers, "two")]);
            assert_eq!(
                run(START, inputs),
                [
                    Output::Commit(Checker),
                    Output::Commit(Routers),
                    over(Ok(&["one", "two"]))
                ]
            );
        }
    }

    #[test]
    fn a_start_without_checks_is_better_than_none() {
        let outputs = run(
            START,
            vec![
                Input::Lost(Checker),
                prepared(Routers),
                Input::Lost(Checker),
                committed(Routers, "two"),
            ],
        );
        assert_eq!(outputs.last(), Some(&over(Ok(&["two"]))));
        let outputs = run(START, vec![prepared(Checker), Input::Lost(Routers)]);
        assert_eq!(
            outputs.last(),
            Some(&over(Err("the routers process does not run")))
        );
    }
}

//! Changes, in batches.

use locum_netlink::{MAX_BATCH, Request, RequestError};

use super::blocking::Client;
use super::errno::ENOENT;
use super::error::{ApplyError, QueryError};
use super::transport::Transport;
use crate::op::Op;
use crate::wire::request;

impl<T: Transport> Client<T> {
    /// Makes the changes in order, in batches, each of which has the [`Limits::timeout`](crate::Limits::timeout) for itself.
    ///
    /// A change that the kernel refuses does not stop the later ones. When a batch's outcome is not known, or IPVS
    /// cannot be reached or is forbidden, later batches are not attempted.
    ///
    /// # Errors
    ///
    /// One result for each change, in order.
    pub fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), ApplyError>> {
        let mut outcomes = Vec::with_capacity(ops.len());
        for batch in ops.chunks(MAX_BATCH) {
            let made = self.apply_or_not(batch);
            let over = ends(&made);
            outcomes.extend(made);
            if over {
                break;
            }
        }
        outcomes.resize_with(ops.len(), || Err(ApplyError::NotAttempted));
        outcomes
    }

    /// The same, with changes that are made up as they are needed; `told` gets the result of each.
    pub fn apply_each(
        &mut self,
        ops: impl IntoIterator<Item = Op>,
        mut told: impl FnMut(Op, Result<(), ApplyError>),
    ) {
        let mut ops = ops.into_iter();
        let mut over = false;
        loop {
            let batch: Vec<Op> = ops.by_ref().take(MAX_BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let mut outcomes = Vec::new();
            if !over {
                outcomes = self.apply_or_not(&batch);
                over = ends(&outcomes);
            }
            let not_attempted = std::iter::repeat_with(|| Err(ApplyError::NotAttempted));
            let outcomes = outcomes.into_iter().chain(not_attempted);
            for (op, outcome) in batch.into_iter().zip(outcomes) {
                told(op, outcome);
            }
        }
    }

    /// The results for the changes of a batch, or for the first if IPVS cannot be reached.
    fn apply_or_not(&mut self, batch: &[Op]) -> Vec<Result<(), ApplyError>> {
        match self.family() {
            Ok(family) => self.apply_batch(family, batch),
            Err(error) => vec![Err(error.into())],
        }
    }

    fn apply_batch(&mut self, family: u16, ops: &[Op]) -> Vec<Result<(), ApplyError>> {
        let everything: Vec<&Op> = ops.iter().collect();
        let mut outcomes = self.execute(family, &everything);
        let refused: Vec<usize> = (0..)
            .zip(&outcomes)
            .filter(|(_, outcome)| is_not_found(outcome))
            .map(|(index, _)| index)
            .collect();
        if refused.is_empty() {
            return finish(ops, outcomes);
        }
        // Was it the family that was not found? Then these never reached IPVS.
        self.family = None;
        match self.family() {
            Ok(renewed) if renewed != family => {
                let again: Vec<&Op> = refused.iter().filter_map(|i| ops.get(*i)).collect();
                let answers = self.execute(renewed, &again);
                replace(&mut outcomes, refused.into_iter().zip(answers));
                finish(ops, outcomes)
            }
            Err(QueryError::ModuleMissing) => {
                let mut outcomes = finish(ops, outcomes);
                let gone = refused
                    .into_iter()
                    .map(|i| (i, Err(ApplyError::ModuleMissing)));
                replace(&mut outcomes, gone);
                outcomes
            }
            Ok(_) | Err(_) => finish(ops, outcomes),
        }
    }

    fn execute(&mut self, family: u16, ops: &[&Op]) -> Vec<Result<(), RequestError>> {
        let requests: Vec<Request> = ops.iter().map(|op| request::encode(family, op)).collect();
        let answers = self.transport.execute(&requests);
        answers.into_iter().map(|answer| answer.map(drop)).collect()
    }

    /// Makes one change.
    ///
    /// # Errors
    ///
    /// Any [`ApplyError`].
    pub fn apply_one(&mut self, op: Op) -> Result<(), ApplyError> {
        self.apply(&[op])
            .pop()
            .unwrap_or(Err(ApplyError::NotAttempted))
    }
}

/// Whether later batches are not to be attempted.
fn ends(outcomes: &[Result<(), ApplyError>]) -> bool {
    let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    errors.any(ApplyError::ends_the_batch)
}

fn is_not_found(outcome: &Result<(), RequestError>) -> bool {
    matches!(outcome, Err(error) if error.errno() == Some(ENOENT))
}

fn replace<T>(list: &mut [T], changes: impl Iterator<Item = (usize, T)>) {
    for (index, change) in changes {
        if let Some(slot) = list.get_mut(index) {
            *slot = change;
        }
    }
}

/// What the answers mean for the changes.
fn finish(ops: &[Op], answers: Vec<Result<(), RequestError>>) -> Vec<Result<(), ApplyError>> {
    let outcome = |(op, answer): (&Op, Result<_, _>)| answer.map_err(|e| ApplyError::of(op, e));
    ops.iter().zip(answers).map(outcome).collect()
}

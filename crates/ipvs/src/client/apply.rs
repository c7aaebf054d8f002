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
            let first = outcomes.len();
            match self.family() {
                Ok(family) => outcomes.extend(self.apply_batch(family, batch)),
                Err(error) => outcomes.push(Err(error.into())),
            }
            let made = outcomes.iter().skip(first);
            if made
                .filter_map(|o| o.as_ref().err())
                .any(ApplyError::ends_the_batch)
            {
                break;
            }
        }
        outcomes.resize_with(ops.len(), || Err(ApplyError::NotAttempted));
        outcomes
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

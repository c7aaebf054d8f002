//! Keeps the kernel's table and its synchronisation daemons as they should be. Blocks: it lives on a thread of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use locum_ipvs::{
    ApplyError, Client, DestinationEntry, DestinationKey, Op, QueryError, Removal, Role,
    ServiceKey, Snapshot, SyncDaemon, Table, TimeoutChange, Transport, plan_lazily, plan_with,
};

use super::record::Record;
use crate::site::Foreign;

/// Whether the kernel's table is read before it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is: somebody else may have changed it.
    Read,
    /// It is believed to be as it was left, unless there is a doubt.
    Trust,
}

/// Entries that are not wanted but may finish their connections before they go.
pub(crate) type Finishing = BTreeSet<(ServiceKey, DestinationKey)>;

/// What became of an attempt to make the table what it should be.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What the kernel had, where it was read; only services that are the director's.
    pub(crate) read: Option<Snapshot>,
    /// Changes that undid what somebody else had done.
    pub(crate) drift: Vec<Op>,
    /// How many changes were made, those that undid drift included.
    pub(crate) made: usize,
    /// What the kernel refused.
    pub(crate) refused: Vec<(Op, ApplyError)>,
    /// The table could not be read.
    pub(crate) unread: Option<QueryError>,
}

impl Outcome {
    fn note(&mut self, op: Op, answer: Result<(), ApplyError>) {
        match answer {
            Ok(()) => self.made += 1,
            Err(error) => self.refused.push((op, error)),
        }
    }

    /// Is the kernel's table now what it should be?
    pub(crate) const fn is_complete(&self) -> bool {
        self.unread.is_none() && self.refused.is_empty()
    }

    /// Is there no table to be kept, nor will there be one soon?
    pub(crate) const fn is_hopeless(&self) -> bool {
        matches!(
            self.unread,
            Some(QueryError::ModuleMissing | QueryError::PermissionDenied)
        )
    }
}

/// The kernel's table, and what is believed of it.
#[derive(Debug)]
pub(crate) struct Keeper<T> {
    client: Client<T>,
    pub(super) foreign: Foreign,
    record: Record,
    /// What the table is if nobody else changed it; `None`: in doubt.
    believed: Option<Arc<Table>>,
    timeouts: TimeoutChange,
}

impl<T: Transport> Keeper<T> {
    /// One that leaves alone what others have in the table.
    pub(crate) fn new(client: Client<T>, record: Record) -> Self {
        Self {
            client,
            foreign: Foreign::Keep,
            record,
            believed: None,
            timeouts: TimeoutChange::default(),
        }
    }

    /// What the kernel has now of an earlier run: services that `wanted` names.
    pub(crate) fn inherited<'k>(
        &mut self,
        wanted: impl IntoIterator<Item = &'k ServiceKey>,
    ) -> Result<Snapshot, QueryError> {
        let mut snapshot = self.client.snapshot()?;
        // Nothing is there after a boot.
        if snapshot.iter().next().is_some() {
            let wanted: BTreeSet<&ServiceKey> = wanted.into_iter().collect();
            snapshot.retain(|actual| wanted.contains(&actual.service.key));
        }
        Ok(snapshot)
    }

    /// Fills the kernel's table, which has nothing, with all that the `pieces` have; `services` are theirs. What that was as a
    /// whole is said [later](Self::believe).
    pub(crate) fn fill<'k>(
        &mut self,
        services: impl IntoIterator<Item = &'k ServiceKey>,
        pieces: impl IntoIterator<Item = Table>,
    ) -> Outcome {
        self.record.announce(services);
        let nothing = Snapshot::default();
        let mut outcome = Outcome {
            read: Some(Snapshot::default()),
            ..Outcome::default()
        };
        let ops = pieces
            .into_iter()
            .flat_map(|piece| plan_with(&piece, &nothing, |_, _| Removal::Remove));
        self.client
            .apply_each(ops, |op, answer| outcome.note(op, answer));
        outcome
    }

    /// What the kernel's table should be after it was filled with that, piece by piece.
    pub(crate) fn believe(&mut self, table: &Arc<Table>, outcome: &Outcome) {
        self.record.confirm(table);
        self.believed = outcome.refused.is_empty().then(|| Arc::clone(table));
    }

    /// Makes the table `desired`, but for what is `finishing`.
    pub(crate) fn pursue(
        &mut self,
        desired: &Arc<Table>,
        finishing: &Finishing,
        look: Look,
    ) -> Outcome {
        let removal = |service: &ServiceKey, entry: &DestinationEntry| {
            if finishing.contains(&(*service, entry.key)) {
                Removal::Drain
            } else {
                Removal::Remove
            }
        };
        // Before the first change: after a crash the record names all that may be left.
        self.record.add(desired);
        let mut outcome = Outcome::default();
        match (&self.believed, look) {
            (Some(believed), Look::Trust) => {
                let actual = believed.to_snapshot();
                let remove = |_: &ServiceKey, _: &DestinationEntry| Removal::Remove;
                let ops = plan_lazily(desired, &actual, remove);
                self.client
                    .apply_each(ops, |op, answer| outcome.note(op, answer));
            }
            (None, Look::Trust) | (_, Look::Read) => match self.read() {
                Ok(actual) => {
                    if let Some(believed) = &self.believed {
                        outcome.drift = plan_with(believed, &actual, removal);
                    }
                    let ops = plan_lazily(desired, &actual, removal);
                    self.client
                        .apply_each(ops, |op, answer| outcome.note(op, answer));
                    outcome.read = Some(actual);
                }
                Err(error) => {
                    self.believed = None;
                    // Another module may be loaded next time.
                    self.timeouts = TimeoutChange::default();
                    outcome.unread = Some(error);
                    return outcome;
                }
            },
        }
        self.believed = outcome.refused.is_empty().then(|| Arc::clone(desired));
        if self.believed.is_some() && look == Look::Read {
            self.record.keep();
        }
        outcome
    }

    fn read(&mut self) -> Result<Snapshot, QueryError> {
        let mut actual = self.client.snapshot()?;
        if self.foreign == Foreign::Keep {
            actual.retain(|actual| self.record.has(&actual.service.key));
        }
        Ok(actual)
    }

    /// Sets the timeouts of connections, once for each module that is loaded.
    pub(crate) fn set_timeouts(&mut self, timeouts: TimeoutChange) -> Result<(), ApplyError> {
        if timeouts == self.timeouts || timeouts == TimeoutChange::default() {
            return Ok(());
        }
        self.client.apply_one(Op::SetTimeouts(timeouts))?;
        self.timeouts = timeouts;
        Ok(())
    }

    /// Makes `wanted` the daemons that run, and returns what was changed.
    pub(crate) fn pursue_daemons(&mut self, wanted: &[SyncDaemon]) -> Result<Vec<Op>, DaemonError> {
        let mut made = Vec::new();
        let running = self.client.daemons()?;
        let mut keeps: Vec<Role> = Vec::new();
        for entry in &running {
            if wanted.iter().any(|daemon| daemon.is(entry)) {
                keeps.push(entry.role);
            } else {
                let op = Op::StopDaemon(entry.role);
                match self.client.apply_one(op.clone()) {
                    // Gone by itself, or not answered as the kernel does for one that has just been started.
                    Ok(()) | Err(ApplyError::DaemonNotFound | ApplyError::Unknown) => made.push(op),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for daemon in wanted
            .iter()
            .filter(|daemon| !keeps.contains(&daemon.role()))
        {
            let op = Op::StartDaemon(daemon.clone());
            self.client.apply_one(op.clone())?;
            made.push(op);
        }
        Ok(made)
    }

    /// Takes the director's services out of the table.
    pub(crate) fn clear(&mut self) -> Outcome {
        self.record.recall();
        let outcome = self.pursue(&Arc::default(), &Finishing::new(), Look::Read);
        if outcome.is_complete() {
            self.record.forget();
        }
        outcome
    }

    #[cfg(test)]
    pub(super) const fn client(&mut self) -> &mut Client<T> {
        &mut self.client
    }
}

/// Why the daemons are not as they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("the synchronisation daemon cannot be started or stopped")]
    Apply(#[from] ApplyError),
    #[error("the synchronisation daemons cannot be read")]
    Query(#[from] QueryError),
}

#[cfg(test)]
mod tests;

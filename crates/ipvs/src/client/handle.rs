//! The client for async callers.

use std::io;

use locum_netlink::{Connection, Limits, Namespace, Worker, WorkerError};

use super::blocking::Client;
use super::error::{ApplyError, QueryError};
use super::transport::Transport;
use crate::op::Op;
use crate::table::Snapshot;

/// A [`Client`] on a thread of its own. Clones share it; it ends with the last of them.
///
/// Jobs are done one at a time, in order. A job whose caller went away before it began is not done; once begun it is
/// done to its end.
#[derive(Debug)]
pub struct AsyncClient<T = Connection> {
    worker: Worker<Client<T>>,
}

impl AsyncClient {
    /// Starts the thread in `namespace`. Whether the kernel has IPVS shows later.
    ///
    /// # Errors
    ///
    /// When the thread cannot be made, the namespace not entered, or no descriptor is left.
    pub fn spawn(namespace: &Namespace, limits: Limits) -> io::Result<Self> {
        Self::start(namespace, move || Client::open(limits))
    }
}

impl<T: Transport + 'static> AsyncClient<T> {
    /// Starts the thread with the client that `open` makes on it.
    ///
    /// # Errors
    ///
    /// When the thread cannot be made, the namespace not entered, or `open` fails.
    pub fn start(
        namespace: &Namespace,
        open: impl FnOnce() -> io::Result<Client<T>> + Send + 'static,
    ) -> io::Result<Self> {
        let worker = Worker::start("ipvs", namespace, open)?;
        Ok(Self { worker })
    }

    /// Makes the changes in order; see [`Client::apply`].
    ///
    /// # Errors
    ///
    /// When the thread is gone or too many jobs wait; else one result for each change.
    pub async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Result<(), ApplyError>>, WorkerError> {
        self.run(move |client| client.apply(&ops)).await
    }

    /// Every service with its destinations; see [`Client::snapshot`].
    ///
    /// # Errors
    ///
    /// When the thread is gone or too many jobs wait; else any [`QueryError`].
    pub async fn snapshot(&self) -> Result<Result<Snapshot, QueryError>, WorkerError> {
        self.run(Client::snapshot).await
    }

    /// Does anything else with the client, such as reading, planning and applying without another job in between.
    ///
    /// # Errors
    ///
    /// When the thread is gone or too many jobs wait.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Client<T>) -> R + Send + 'static,
    ) -> Result<R, WorkerError> {
        self.worker.run(job).await
    }
}

impl<T> Clone for AsyncClient<T> {
    fn clone(&self) -> Self {
        Self {
            worker: self.worker.clone(),
        }
    }
}

//! A thread of its own for work that blocks, in a network namespace of its own.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::connection::{Connection, Limits};
use crate::error::WorkerError;
use crate::namespace::Namespace;
use crate::socket::Family;

/// So many jobs may wait. A failover asks for all of its routers at once, and a refusal would fail one: 255 VRIDs and two
/// families on eight interfaces fit.
const QUEUE: usize = 4096;

/// Opening a socket takes microseconds; this is for a machine in deep trouble.
const START: Duration = Duration::from_secs(10);

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A thread that owns `S`, in the network namespace it was opened in, and runs jobs on it in order, one at a time.
///
/// Clones share the thread; it ends with the last of them. Queueing never blocks. A job whose caller has gone away
/// before it began is not run; once begun it runs to its end. A job that panics ends the thread, and every caller
/// gets [`WorkerError::Stopped`].
pub struct Worker<S> {
    // Not bounded by itself: a channel that is takes all of its room, some 100 KiB, from the beginning.
    jobs: Sender<Job<S>>,
    /// So many wait.
    waiting: Arc<AtomicUsize>,
}

/// A netlink connection on a thread of its own.
pub type Engine = Worker<Connection>;

impl<S: 'static> Worker<S> {
    /// Starts a thread called `name` (the kernel keeps 15 bytes), moves it into `namespace` and opens `S` there.
    ///
    /// # Errors
    ///
    /// When the thread cannot be made, the namespace not entered, or `open` fails.
    pub fn start<F>(name: &str, namespace: &Namespace, open: F) -> io::Result<Self>
    where
        F: FnOnce() -> io::Result<S> + Send + 'static,
    {
        let (jobs, queue) = mpsc::channel::<Job<S>>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&waiting);
        let (started, start) = mpsc::sync_channel(1);
        let namespace = namespace.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let mut state = match namespace.enter().and_then(|()| open()) {
                    Ok(state) => state,
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                let _ = started.send(Ok(()));
                for job in queue {
                    taken.fetch_sub(1, Ordering::Relaxed);
                    job(&mut state);
                }
            })?;
        start.recv_timeout(START).map_err(|error| match error {
            RecvTimeoutError::Disconnected => io::Error::other(WorkerError::Stopped),
            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
        })??;
        Ok(Self { jobs, waiting })
    }

    /// Runs `job` on the thread and waits for its result.
    ///
    /// # Errors
    ///
    /// [`WorkerError::Busy`] or [`WorkerError::Stopped`].
    pub async fn run<T, F>(&self, job: F) -> Result<T, WorkerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        self.queue(Box::new(move |state| {
            if !reply.is_closed() {
                let _ = reply.send(job(state));
            }
        }))?;
        result.await.map_err(|_| WorkerError::Stopped)
    }

    /// Runs `job` on the thread and blocks the caller until it is done, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// Any [`WorkerError`].
    pub fn run_blocking<T, F>(&self, timeout: Duration, job: F) -> Result<T, WorkerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (reply, result) = mpsc::sync_channel(1);
        self.queue(Box::new(move |state| {
            let _ = reply.send(job(state));
        }))?;
        result.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Disconnected => WorkerError::Stopped,
            RecvTimeoutError::Timeout => WorkerError::TimedOut,
        })
    }

    fn queue(&self, job: Job<S>) -> Result<(), WorkerError> {
        let room = |waiting| (waiting < QUEUE).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map_err(|_| WorkerError::Busy)?;
        // The count of a thread that has ended does not matter any more.
        self.jobs.send(job).map_err(|_| WorkerError::Stopped)
    }
}

impl Engine {
    /// Starts a thread with a netlink connection in `namespace`.
    ///
    /// # Errors
    ///
    /// As for [`Worker::start`] and [`Connection::open`].
    pub fn spawn(family: Family, namespace: &Namespace, limits: Limits) -> io::Result<Self> {
        Self::start("netlink", namespace, move || {
            Connection::open(family, limits)
        })
    }
}

impl<S> Clone for Worker<S> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
            waiting: Arc::clone(&self.waiting),
        }
    }
}

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

//! Programs of the operator's: notifications and tracking scripts. They are started by a side of their own, so that
//! nothing that matters forks.

mod message;
mod remote;
mod side;

use std::sync::Arc;
use std::time::Duration;

use locum_health::exec::Program;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) use self::message::{Job, Notice, Order, Outcome, RunAs};
use self::remote::Remote;
pub(crate) use self::side::{Options, run};
use crate::process::Link;
use crate::words::chain;

/// Has programs run. A handle: clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Programs(Place);

#[derive(Debug, Clone)]
enum Place {
    Here(Arc<Semaphore>),
    There(Arc<Remote>),
}

impl Programs {
    /// On the runtime of the caller, so many at a time.
    pub(crate) fn in_process(at_a_time: usize) -> Self {
        Self(Place::Here(Arc::new(Semaphore::new(at_a_time))))
    }

    /// By a side that is still to be [attached](Self::attach): what is to be run waits for it.
    pub(crate) fn elsewhere() -> Self {
        Self(Place::There(Arc::new(Remote::default())))
    }

    /// By the side at the other end of `link`. Needs a runtime.
    #[cfg(test)]
    pub(crate) fn remote(link: Link<Order, Notice>) -> Self {
        let programs = Self::elsewhere();
        programs.attach(link);
        programs
    }

    /// By the side at the other end of `link` from now on. When its notices end, that side has died: what it ran has
    /// failed, and what comes later waits for the next one.
    pub(crate) fn attach(&self, link: Link<Order, Notice>) {
        match &self.0 {
            Place::Here(_) => {}
            Place::There(remote) => remote.attach(link),
        }
    }

    /// Has the side that runs them be there, which may not have been started yet.
    pub(crate) fn want(&self) {
        match &self.0 {
            Place::Here(_) => {}
            Place::There(remote) => remote.want(),
        }
    }

    /// Waits until somebody needs that side.
    pub(crate) async fn wanted(&self) {
        match &self.0 {
            Place::Here(_) => {}
            Place::There(remote) => remote.wanted().await,
        }
    }

    /// Runs a program to its end, when it is its turn. Where the side that runs programs has died, it fails; where that
    /// happened before, its restart is waited for.
    pub(crate) async fn run(&self, job: Job) -> Outcome {
        match &self.0 {
            Place::Here(slots) => {
                let Ok(_slot) = slots.acquire().await else {
                    return Outcome::Failed("this program ends".to_owned());
                };
                carry_out(job).await
            }
            Place::There(remote) => remote.run(job).await,
        }
    }
}

async fn carry_out(job: Job) -> Outcome {
    let program = match Program::new(&job.program, job.user.map(Into::into)) {
        Ok(program) => program,
        Err(error) => return Outcome::Failed(chain(&error)),
    };
    let limit = Duration::from_millis(job.timeout_ms);
    match timeout(limit, program.run(&job.arguments)).await {
        Ok(Ok(status)) => status.code().map_or(Outcome::Killed, Outcome::Exited),
        Ok(Err(error)) => Outcome::Failed(chain(&error)),
        Err(_) => Outcome::TimedOut,
    }
}

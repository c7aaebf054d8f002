//! Programs of the operator's: notifications and tracking scripts. They are started by a side of their own, so that
//! nothing that matters forks.

mod message;

use std::sync::Arc;

use locum_health::exec::Program;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) use self::message::{Job, Notice, Order, Outcome, RunAs};
use crate::words::chain;

/// Has programs run. A handle: clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    slots: Arc<Semaphore>,
}

impl Programs {
    /// On the runtime of the caller, so many at a time.
    pub(crate) fn in_process(at_a_time: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_a_time)),
        }
    }

    /// Runs a program to its end, when it is its turn.
    pub(crate) async fn run(&self, job: Job) -> Outcome {
        let Ok(_slot) = self.slots.acquire().await else {
            return Outcome::Failed("this program ends".to_owned());
        };
        run(job).await
    }
}

async fn run(job: Job) -> Outcome {
    let program = match Program::new(&job.program, job.user.map(Into::into)) {
        Ok(program) => program,
        Err(error) => return Outcome::Failed(chain(&error)),
    };
    let limit = std::time::Duration::from_millis(job.timeout_ms);
    match timeout(limit, program.run(&job.arguments)).await {
        Ok(Ok(status)) => status.code().map_or(Outcome::Killed, Outcome::Exited),
        Ok(Err(error)) => Outcome::Failed(chain(&error)),
        Err(_) => Outcome::TimedOut,
    }
}

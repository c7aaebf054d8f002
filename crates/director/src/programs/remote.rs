//! Programs run by a side that may die and come again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::{Job, Notice, Order, Outcome};
use crate::process::Link;

/// So long a program waits for the restart of the side that is to run it.
const PATIENCE: Duration = Duration::from_secs(30);

const DIED: &str = "the process that runs programs has died";
const GONE: &str = "the process that runs programs is not there";

/// The side, or its absence.
#[derive(Debug, Default)]
pub(super) struct Remote {
    side: watch::Sender<Option<Side>>,
    /// Somebody needs it.
    wanted: Notify,
    number: AtomicU64,
}

/// One life of the side.
#[derive(Debug, Clone)]
struct Side {
    orders: mpsc::UnboundedSender<Order>,
    waiting: Waiting,
}

/// Who waits for the end of which program; `None` once the side has died.
type Waiting = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Outcome>>>>>;

impl Remote {
    pub(super) fn attach(self: &Arc<Self>, link: Link<Order, Notice>) {
        let Link { orders, notices } = link;
        let waiting: Waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let side = Side {
            orders,
            waiting: Arc::clone(&waiting),
        };
        self.side.send_replace(Some(side));
        // The handle is not kept alive by its own listener, or the side would never end.
        let remote = Arc::downgrade(self);
        tokio::spawn(async move {
            listen(notices, &waiting).await;
            if let Some(remote) = remote.upgrade() {
                remote.side.send_if_modified(|side| {
                    let same = |side: &Side| Arc::ptr_eq(&side.waiting, &waiting);
                    side.take_if(|side| same(side)).is_some()
                });
            }
        });
    }

    /// Has the side be there.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Waits until somebody needs it.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub(super) async fn run(&self, job: Job) -> Outcome {
        self.want();
        let mut sides = self.side.subscribe();
        let side = match timeout(PATIENCE, sides.wait_for(Option::is_some)).await {
            Ok(Ok(side)) => side.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(side) = side else {
            return Outcome::Failed(GONE.to_owned());
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (ended, outcome) = oneshot::channel();
        match side
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            Some(waiting) => waiting.insert(number, ended),
            None => return Outcome::Failed(DIED.to_owned()),
        };
        // If nobody receives it, the listener finds out too, and lets go of who waits.
        let _ = side.orders.send(Order::Run { number, job });
        drop(side);
        outcome
            .await
            .unwrap_or_else(|_| Outcome::Failed(DIED.to_owned()))
    }
}

/// Hands outcomes to those who wait for them, until the side ends; then nobody waits any more.
async fn listen(mut notices: mpsc::UnboundedReceiver<Notice>, waiting: &Waiting) {
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Ended { number, outcome } => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let waits = waiting.as_mut().and_then(|waiting| waiting.remove(&number));
                if let Some(waits) = waits {
                    let _ = waits.send(outcome);
                }
            }
            Notice::Hello(_) => {}
        }
    }
    let ended = waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    drop(ended);
}

#[cfg(test)]
mod tests {
    use super::super::Programs;
    use super::*;

    fn link() -> (
        Link<Order, Notice>,
        mpsc::UnboundedReceiver<Order>,
        mpsc::UnboundedSender<Notice>,
    ) {
        let (orders, queue) = mpsc::unbounded_channel();
        let (heard, notices) = mpsc::unbounded_channel();
        (Link { orders, notices }, queue, heard)
    }

    fn job() -> Job {
        Job {
            program: "/bin/true".into(),
            arguments: Vec::new(),
            user: None,
            timeout_ms: 1000,
        }
    }

    fn number(order: Option<Order>) -> u64 {
        match order {
            Some(Order::Run { number, .. }) => number,
            order => panic!("{order:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_side_runs_fails_with_it_and_the_next_one_runs_the_rest() {
        let (first, mut queue, notices) = link();
        let programs = Programs::elsewhere();
        let running = tokio::spawn({
            let programs = programs.clone();
            async move { programs.run(job()).await }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        programs.attach(first);
        number(queue.recv().await);
        drop((queue, notices));
        assert_eq!(running.await.unwrap(), Outcome::Failed(DIED.to_owned()));

        let waits = tokio::spawn({
            let programs = programs.clone();
            async move { programs.run(job()).await }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (second, mut queue, notices) = link();
        programs.attach(second);
        let number = number(queue.recv().await);
        let outcome = Outcome::Exited(0);
        notices.send(Notice::Ended { number, outcome }).unwrap();
        assert_eq!(waits.await.unwrap(), Outcome::Exited(0));

        drop(notices);
        tokio::task::yield_now().await;
        let nobody = programs.run(job()).await;
        assert_eq!(nobody, Outcome::Failed(GONE.to_owned()));
        drop(programs);
        assert_eq!(queue.recv().await, None, "the side ends with the handle");
    }
}

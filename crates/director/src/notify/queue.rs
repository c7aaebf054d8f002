//! A bounded queue that never holds up who fills it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// What waits for one reader: when it is full, the oldest goes.
#[derive(Debug)]
pub(super) struct Queue<T> {
    most: usize,
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::new(State {
                items: VecDeque::new(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // A panic elsewhere leaves nothing half written here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `item`; gives what had to go for it.
    pub(super) fn push(&self, item: T) -> Option<T> {
        let mut state = self.state();
        let gone = if state.items.len() >= self.most {
            state.items.pop_front()
        } else {
            None
        };
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
        gone
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state().items.len()
    }

    /// The next one, when there is one; `None`: it is closed, and nothing is left. There is one reader only.
    pub(super) async fn next(&self) -> Option<T> {
        loop {
            {
                let mut state = self.state();
                if let Some(item) = state.items.pop_front() {
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

/// How long it is until the next attempt: twice as long after each failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// After so many failures in a row.
    pub(super) fn after(self, failures: u32) -> Duration {
        let times = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.first.saturating_mul(times).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_and_a_closed_one_is_read_to_its_end() {
        let queue = Queue::new(2);
        assert_eq!(
            [1, 2, 3].map(|item| queue.push(item)),
            [None, None, Some(1)]
        );
        queue.close();
        assert_eq!(queue.next().await, Some(2));
        assert_eq!(queue.next().await, Some(3));
        assert_eq!(queue.next().await, None);
    }

    #[test]
    fn attempts_become_rarer() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
        };
        let seconds = [1, 2, 3, 4, 40].map(|failures| backoff.after(failures).as_secs());
        assert_eq!(seconds, [1, 2, 4, 5, 5]);
    }
}

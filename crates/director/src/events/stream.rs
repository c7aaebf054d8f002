//! The stream: numbers for what happens, and the last of it for whoever reads.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Event, What};
use crate::clock;

/// So many events are kept for those who come late or read slowly.
const KEPT: usize = 10_000;

/// Events that a reader asked for and that are not kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lost {
    /// The number of the first.
    pub from: u64,
    /// The number of the last.
    pub to: u64,
}

/// What a reader gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Event(Arc<Event>),
    /// It was too slow, or came too late, for these.
    Lost(Lost),
}

/// Everything that happens in this run, in one order. A handle: clones are the same.
///
/// Telling never waits for a reader: each takes what is kept at its own pace.
#[derive(Debug, Clone)]
pub(crate) struct Stream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    run: String,
    kept: usize,
    ring: Mutex<Ring>,
    /// The number of the last event; 0: none yet.
    newest: watch::Sender<u64>,
}

/// The last events, without gaps.
#[derive(Debug, Default)]
struct Ring {
    newest: u64,
    events: VecDeque<Arc<Event>>,
}

impl Ring {
    fn oldest(&self) -> u64 {
        self.events
            .front()
            .map_or(self.newest + 1, |event| event.seq)
    }
}

/// A reader of a [`Stream`].
#[derive(Debug)]
pub(crate) struct Subscription {
    shared: Arc<Shared>,
    newest: watch::Receiver<u64>,
    /// The number of the last event that it got, or does not want.
    seen: u64,
}

impl Stream {
    /// The stream of this run of the program, which is called after the boot and the moment in it.
    pub(crate) fn start() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let at = clock_gettime(ClockId::Boottime);
        Self::new(
            format!("{}-{}.{:09}", boot.trim(), at.tv_sec, at.tv_nsec),
            KEPT,
        )
    }

    /// A stream of which `kept` events are kept.
    pub(crate) fn new(run: String, kept: usize) -> Self {
        Self(Arc::new(Shared {
            run,
            kept,
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
        }))
    }

    /// Gives `what` the next number.
    pub(crate) fn tell(&self, what: What) -> Arc<Event> {
        let shared = &self.0;
        let mut ring = shared.ring();
        ring.newest += 1;
        let event = Arc::new(Event {
            schema: Event::SCHEMA,
            run: shared.run.clone(),
            seq: ring.newest,
            at_ms: clock::wall_ms(),
            what,
        });
        if ring.events.len() >= shared.kept {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::clone(&event));
        // Still under the lock, so that it never goes back.
        shared.newest.send_replace(ring.newest);
        event
    }

    /// The number of the last event; 0: there is none.
    pub(crate) fn newest(&self) -> u64 {
        self.0.ring().newest
    }

    /// Reads on behind the event `seen`; 0: from the beginning. A number that there has not been yet is one of another
    /// run, of which nothing is known: then too from the beginning.
    pub(crate) fn subscribe(&self, seen: u64) -> Subscription {
        let newest = self.0.newest.subscribe();
        let seen = if seen > self.newest() { 0 } else { seen };
        Subscription {
            shared: Arc::clone(&self.0),
            newest,
            seen,
        }
    }
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic elsewhere leaves nothing half written here.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// What comes next, when it has happened. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Item {
        loop {
            if let Some(item) = self.try_next() {
                return item;
            }
            let seen = self.seen;
            // The sender is in what this reader holds.
            let _ = self.newest.wait_for(|newest| *newest > seen).await;
        }
    }

    /// What comes next, if it has happened.
    pub(crate) fn try_next(&mut self) -> Option<Item> {
        let ring = self.shared.ring();
        let wanted = self.seen + 1;
        let oldest = ring.oldest();
        if wanted < oldest {
            let lost = Lost {
                from: wanted,
                to: oldest - 1,
            };
            self.seen = lost.to;
            return Some(Item::Lost(lost));
        }
        let place = usize::try_from(wanted - oldest).ok()?;
        let event = Arc::clone(ring.events.get(place)?);
        self.seen = event.seq;
        Some(Item::Event(event))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn what(number: u64) -> What {
        What::HoldEnded { taken: number }
    }

    fn told(kept: usize, count: u64) -> Stream {
        let stream = Stream::new("run".to_owned(), kept);
        for number in 1..=count {
            stream.tell(what(number));
        }
        stream
    }

    fn rest(subscription: &mut Subscription) -> Vec<Result<u64, (u64, u64)>> {
        std::iter::from_fn(|| subscription.try_next())
            .map(|item| match item {
                Item::Event(event) => Ok(event.seq),
                Item::Lost(Lost { from, to }) => Err((from, to)),
            })
            .collect()
    }

    #[test]
    fn a_reader_begins_where_it_wants() {
        let stream = told(3, 5);
        let read = |seen| rest(&mut stream.subscribe(seen));
        assert_eq!(read(0), [Err((1, 2)), Ok(3), Ok(4), Ok(5)]);
        assert_eq!(read(2), [Ok(3), Ok(4), Ok(5)]);
        assert_eq!(read(4), [Ok(5)]);
        assert_eq!(read(5), []);
        assert_eq!(read(6), read(0), "the number is of another run");
    }

    #[test]
    fn runs_have_names_of_their_own() {
        let (one, other) = (Stream::start(), Stream::start());
        assert_ne!(one.0.run, other.0.run);
        assert_eq!(*one.tell(what(1)).run, *one.0.run);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let stream = told(3, 1);
        let mut subscription = stream.subscribe(1);
        let reading = tokio::spawn(async move { subscription.next().await });
        tokio::task::yield_now().await;
        let event = stream.tell(what(2));
        assert_eq!(reading.await.unwrap(), Item::Event(event));
    }

    proptest! {
        /// Whenever it reads, a reader is told of every number once and in order, as an event or as lost.
        #[test]
        fn no_number_goes_missing(kept in 1_usize..5, steps in prop::collection::vec(0_u64..8, 0..20)) {
            let stream = told(kept, 0);
            let mut subscription = stream.subscribe(0);
            let mut next = 1;
            for count in steps {
                for _ in 0..count {
                    stream.tell(what(0));
                }
                for item in rest(&mut subscription) {
                    let (from, to) = item.map_or_else(|lost| lost, |seq| (seq, seq));
                    prop_assert_eq!(from, next);
                    prop_assert!(to >= from);
                    next = to + 1;
                }
                prop_assert_eq!(next, stream.newest() + 1);
            }
        }
    }
}

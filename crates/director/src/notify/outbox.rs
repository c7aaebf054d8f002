//! What waits to be mailed, and when it may go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WAITING;
use super::queue::Backoff;
use super::settings::Rate;
use crate::events::Event;

/// A mail server that does not work is asked again so soon, and then more and more rarely.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(10),
    longest: Duration::from_secs(10 * 60),
};

/// Events that wait for the next mail.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Arc<Event>>,
    /// There were too many: so many are not in it.
    omitted: u64,
    /// When they may go, if the rate allows it.
    due: Option<Instant>,
    /// When the last mails went.
    sent: VecDeque<Instant>,
    failures: u32,
}

/// What goes into one mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) omitted: u64,
}

impl Outbox {
    /// Adds an event, which waits for others until `digest` is over. Gives how many had to go for it.
    pub(super) fn push(&mut self, now: Instant, event: Arc<Event>, digest: Duration) -> u64 {
        self.waiting.push_back(event);
        self.due.get_or_insert(now + digest);
        self.omit()
    }

    /// The oldest go when there are too many.
    fn omit(&mut self) -> u64 {
        let over = self.waiting.len().saturating_sub(WAITING);
        self.waiting.drain(..over);
        let over = u64::try_from(over).unwrap_or(u64::MAX);
        self.omitted += over;
        over
    }

    /// When the next mail is to go, if there is one.
    pub(super) fn next(&self, rate: Rate) -> Option<Instant> {
        let due = self.due?;
        let count = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let first = self.sent.len().checked_sub(count);
        let free = first.and_then(|first| Some(*self.sent.get(first)? + rate.per));
        Some(free.map_or(due, |free| due.max(free)))
    }

    /// The mail that is to go now, if any. Whoever takes it says what became of it.
    pub(super) fn take(&mut self, now: Instant, rate: Rate) -> Option<Batch> {
        self.next(rate).filter(|next| *next <= now)?;
        self.take_all()
    }

    /// Everything, whenever it were to go.
    pub(super) fn take_all(&mut self) -> Option<Batch> {
        self.due = None;
        let batch = Batch {
            events: self.waiting.drain(..).collect(),
            omitted: std::mem::take(&mut self.omitted),
        };
        (!batch.events.is_empty()).then_some(batch)
    }

    /// The mail went.
    pub(super) fn delivered(&mut self, now: Instant, rate: Rate) {
        self.failures = 0;
        self.sent.push_back(now);
        let count = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let over = self.sent.len().saturating_sub(count);
        self.sent.drain(..over);
    }

    /// It did not: what was in it goes with the next one. Gives how many had to go for it.
    pub(super) fn failed(&mut self, now: Instant, batch: Batch) -> u64 {
        for event in batch.events.into_iter().rev() {
            self.waiting.push_front(event);
        }
        self.omitted += batch.omitted;
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + BACKOFF.after(self.failures));
        self.omit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Stream, What};

    const DIGEST: Duration = Duration::from_secs(30);
    const RATE: Rate = Rate {
        count: 2,
        per: Duration::from_secs(3600),
    };

    fn event(stream: &Stream) -> Arc<Event> {
        stream.tell(What::HoldEnded { taken: 0 })
    }

    fn numbers(batch: Option<Batch>) -> Option<Vec<u64>> {
        Some(batch?.events.iter().map(|event| event.seq).collect())
    }

    #[test]
    fn what_happens_together_is_one_mail_and_not_too_many_go() {
        let stream = Stream::new("run".to_owned(), 10);
        let begin = crate::clock::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut outbox = Outbox::default();
        assert_eq!(outbox.next(RATE), None);
        outbox.push(at(0), event(&stream), DIGEST);
        outbox.push(at(20), event(&stream), DIGEST);
        assert_eq!(outbox.next(RATE), Some(at(30)), "the first counts");
        assert_eq!(numbers(outbox.take(at(29), RATE)), None);
        assert_eq!(numbers(outbox.take(at(30), RATE)), Some(vec![1, 2]));
        outbox.delivered(at(30), RATE);
        outbox.push(at(40), event(&stream), DIGEST);
        assert_eq!(numbers(outbox.take(at(70), RATE)), Some(vec![3]));
        outbox.delivered(at(70), RATE);
        outbox.push(at(80), event(&stream), DIGEST);
        outbox.push(at(2000), event(&stream), DIGEST);
        assert_eq!(outbox.next(RATE), Some(at(3630)), "an hour after the first");
        assert_eq!(numbers(outbox.take(at(3630), RATE)), Some(vec![4, 5]));
    }

    #[test]
    fn what_could_not_be_sent_goes_with_the_next_one() {
        let stream = Stream::new("run".to_owned(), 10);
        let begin = crate::clock::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut outbox = Outbox::default();
        outbox.push(at(0), event(&stream), DIGEST);
        let batch = outbox.take(at(30), RATE).unwrap();
        // Meanwhile something happens.
        outbox.push(at(31), event(&stream), DIGEST);
        outbox.failed(at(32), batch);
        assert_eq!(outbox.next(RATE), Some(at(42)));
        let batch = outbox.take(at(42), RATE).unwrap();
        assert_eq!(numbers(Some(batch.clone())), Some(vec![1, 2]));
        outbox.failed(at(42), batch);
        assert_eq!(outbox.next(RATE), Some(at(62)), "twice as long");
    }

    #[test]
    fn the_oldest_are_omitted_and_counted() {
        let stream = Stream::new("run".to_owned(), 10);
        let now = crate::clock::now();
        let mut outbox = Outbox::default();
        let dropped: u64 = (0..WAITING + 3)
            .map(|_| outbox.push(now, event(&stream), DIGEST))
            .sum();
        assert_eq!(dropped, 3);
        let batch = outbox.take_all().unwrap();
        assert_eq!((batch.omitted, batch.events[0].seq), (3, 4));
        assert_eq!(outbox.take_all(), None);
    }
}

//! Requests that wait for the same worker, served together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::table::{Answer, Asked};

/// One look at an interface is this many requests' at most, so that none acts on an old one.
const TOGETHER: usize = 64;

struct Waiting {
    group: Group,
    asked: Asked,
    reply: oneshot::Sender<Vec<Answer>>,
}

/// Between two requests of another kind, such as to remove an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group(u64);

#[derive(Default)]
struct Queue {
    group: Group,
    waiting: Vec<Waiting>,
}

/// What waits. Clones are the same queue.
#[derive(Clone, Default)]
pub(super) struct Together(Arc<Mutex<Queue>>);

impl Together {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in the queue. Its group is to be [served](Self::serve) after all that was asked before; until
    /// then, dropping the receiver takes it back.
    pub(super) fn ask(&self, asked: Asked) -> (Group, oneshot::Receiver<Vec<Answer>>) {
        let (reply, answer) = oneshot::channel();
        let mut queue = self.queue();
        let group = queue.group;
        queue.waiting.push(Waiting {
            group,
            asked,
            reply,
        });
        (group, answer)
    }

    /// Something of another kind is about to be asked, which later requests must not overtake.
    pub(super) fn end_group(&self) {
        self.queue().group.0 += 1;
    }

    /// Serves what waits, up to `last`, by `serve`, which answers for each.
    pub(super) fn serve(&self, last: Group, mut serve: impl FnMut(&[Asked]) -> Vec<Vec<Answer>>) {
        let mut waiting = {
            let mut queue = self.queue();
            // In the order of their groups, since both were given under the lock.
            let count = queue.waiting.partition_point(|one| one.group <= last);
            let later = queue.waiting.split_off(count);
            std::mem::replace(&mut queue.waiting, later)
        };
        while !waiting.is_empty() {
            let later = waiting.split_off(waiting.len().min(TOGETHER));
            let now = std::mem::replace(&mut waiting, later);
            let (asked, replies): (Vec<Asked>, Vec<_>) = now
                .into_iter()
                .filter(|one| !one.reply.is_closed())
                .map(|one| (one.asked, one.reply))
                .unzip();
            for (reply, answers) in replies.into_iter().zip(serve(&asked)) {
                // Whoever gave up waiting need not be told.
                let _ = reply.send(answers);
            }
        }
    }
}

impl std::fmt::Debug for Together {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Claim, Foreign, Lease, LinkIndex, Outcome};

    fn asked(link: u32) -> Asked {
        Asked {
            link: LinkIndex::new(link).unwrap(),
            addresses: vec!["192.0.2.10/24".parse().unwrap()],
            claim: Claim {
                lease: Lease::Permanent,
                foreign: Foreign::Refuse,
            },
        }
    }

    #[test]
    fn all_that_wait_are_served_in_order_but_those_given_up() {
        let together = Together::default();
        let mut answers: Vec<_> = (1..=100).map(|link| together.ask(asked(link)).1).collect();
        drop(answers.remove(2));
        let mut batches = Vec::new();
        together.serve(Group::default(), |all| {
            batches.push(all.iter().map(|one| one.link.get()).collect::<Vec<_>>());
            all.iter().map(|_| vec![Ok(Outcome::Unchanged)]).collect()
        });
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [63, 36]);
        let served: Vec<u32> = batches.concat();
        assert_eq!(served[..3], [1, 2, 4]);
        for mut answer in answers {
            assert!(matches!(
                answer.try_recv().as_deref(),
                Ok([Ok(Outcome::Unchanged)])
            ));
        }
        together.serve(Group(9), |_| panic!("nothing waits"));
    }

    #[test]
    fn nothing_overtakes_what_was_asked_in_between() {
        let together = Together::default();
        let (before, _first) = together.ask(asked(1));
        together.end_group();
        let (after, _second) = together.ask(asked(2));
        for (group, expected) in [(before, 1), (after, 2)] {
            together.serve(group, |all| {
                let links: Vec<u32> = all.iter().map(|one| one.link.get()).collect();
                assert_eq!(links, [expected]);
                Vec::new()
            });
        }
    }
}

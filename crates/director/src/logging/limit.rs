//! How many lines of a kind are written. Pure: time is an input.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// So many lines of one place in the program about one object…
pub(super) const LINES: u64 = 20;
/// …are written in this time, from the first of them on.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// So many objects are told apart; the lines about more of them count as about one.
const MOST: usize = 16_384;

/// What a line is about, as far as its fields say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Object {
    pub(super) router: Option<String>,
    pub(super) service: Option<String>,
    pub(super) server: Option<String>,
    pub(super) address: Option<String>,
}

impl Object {
    /// Its name for people.
    pub(super) fn name(&self) -> Option<String> {
        match (&self.server, &self.service) {
            (Some(server), Some(service)) => Some(format!("{server} of {service}")),
            (server, service) => [&self.router, server, service, &self.address]
                .into_iter()
                .find_map(Option::clone),
        }
    }
}

/// Whether a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    Suppress,
}

/// Lines that were not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary<P> {
    pub(super) place: P,
    pub(super) object: Object,
    pub(super) suppressed: u64,
    /// The text of the last of them.
    pub(super) last: String,
}

#[derive(Debug, Default)]
struct Window {
    written: u64,
    suppressed: u64,
    last: String,
}

/// Counts the lines of each place `P` in the program about each object.
#[derive(Debug)]
pub(super) struct Limit<P> {
    windows: BTreeMap<(P, Object), Window>,
    /// When each of them ends, the first one first.
    ends: VecDeque<(Instant, (P, Object))>,
    /// Windows in which something was suppressed.
    suppressing: usize,
    ended: Vec<Summary<P>>,
    most: usize,
}

impl<P: Ord + Clone> Limit<P> {
    pub(super) const fn new() -> Self {
        Self::of(MOST)
    }

    const fn of(most: usize) -> Self {
        Self {
            windows: BTreeMap::new(),
            ends: VecDeque::new(),
            suppressing: 0,
            ended: Vec::new(),
            most,
        }
    }

    /// Counts a line; `text` is asked for only if it is suppressed.
    pub(super) fn line(
        &mut self,
        now: Instant,
        place: P,
        object: Object,
        text: impl FnOnce() -> String,
    ) -> Verdict {
        self.handle_timeout(now);
        let mut key = (place, object);
        if self.windows.len() >= self.most && !self.windows.contains_key(&key) {
            key.1 = Object::default();
        }
        let window = self.windows.entry(key.clone()).or_insert_with(|| {
            self.ends.push_back((now + WINDOW, key));
            Window::default()
        });
        if window.written < LINES {
            window.written += 1;
            return Verdict::Write;
        }
        if window.suppressed == 0 {
            self.suppressing += 1;
        }
        window.suppressed += 1;
        window.last = text();
        Verdict::Suppress
    }

    /// When there will be something to tell, if no line comes before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.ends.front().map(|(end, _)| *end);
        first.filter(|_| self.suppressing > 0)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            let Some((_, key)) = self.ends.pop_front() else {
                break;
            };
            let Some(window) = self.windows.remove(&key) else {
                continue;
            };
            if window.suppressed > 0 {
                self.suppressing = self.suppressing.saturating_sub(1);
                let (place, object) = key;
                self.ended.push(Summary {
                    place,
                    object,
                    suppressed: window.suppressed,
                    last: window.last,
                });
            }
        }
    }

    /// What is to be told of windows that have ended.
    pub(super) fn take_ended(&mut self) -> Vec<Summary<P>> {
        std::mem::take(&mut self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn about(router: &str) -> Object {
        Object {
            router: Some(router.to_owned()),
            ..Object::default()
        }
    }

    /// Lines of one place about one router, at so many milliseconds: how many are written, and what is told at the end.
    fn written(lines: impl IntoIterator<Item = u64>) -> (usize, Vec<u64>) {
        let start = clock::now();
        let mut limit = Limit::new();
        let lines = lines.into_iter().filter(|ms| {
            let now = start + Duration::from_millis(*ms);
            limit.line(now, 1, about("web"), String::new) == Verdict::Write
        });
        let count = lines.count();
        limit.handle_timeout(start + Duration::from_secs(3600));
        let told = limit.take_ended();
        (count, told.iter().map(|told| told.suppressed).collect())
    }

    #[test]
    fn so_many_lines_pass_in_a_window() {
        assert_eq!(written([]), (0, vec![]));
        assert_eq!(written(0..20), (20, vec![]), "no more than are allowed");
        assert_eq!(written(0..21), (20, vec![1]), "one more");
        assert_eq!(
            written((0..60).map(|s| s * 1000)),
            (60, vec![]),
            "one a second"
        );
        assert_eq!(
            written((0..20).chain([9_999])),
            (20, vec![1]),
            "just within"
        );
        assert_eq!(written((0..20).chain([10_000])), (21, vec![]), "just after");
        let twice = (0..143).chain(10_000..10_025);
        assert_eq!(written(twice), (40, vec![123, 5]), "each window for itself");
    }

    #[test]
    fn each_place_and_object_has_its_own_lines() {
        let now = clock::now();
        let mut limit = Limit::new();
        for _ in 0..LINES {
            for (place, router) in [(1, "web"), (2, "web"), (1, "mail")] {
                assert_eq!(
                    limit.line(now, place, about(router), String::new),
                    Verdict::Write
                );
            }
        }
        assert_eq!(
            limit.line(now, 1, about("web"), String::new),
            Verdict::Suppress
        );
    }

    #[test]
    fn what_was_suppressed_is_told_when_the_window_ends_or_a_line_comes_later() {
        let start = clock::now();
        let mut limit = Limit::new();
        for number in 0..=LINES {
            assert!(limit.poll_timeout().is_none() && limit.take_ended().is_empty());
            limit.line(start, 1, about("web"), || format!("line {number}"));
        }
        assert_eq!(limit.poll_timeout(), Some(start + WINDOW));
        let told = Summary {
            place: 1,
            object: about("web"),
            suppressed: 1,
            last: format!("line {LINES}"),
        };
        limit.line(start + WINDOW, 2, about("mail"), String::new);
        assert_eq!(limit.take_ended(), [told]);
        assert_eq!((limit.poll_timeout(), limit.take_ended()), (None, vec![]));
    }

    #[test]
    fn too_many_objects_share_the_lines_of_one() {
        let now = clock::now();
        let mut limit = Limit::of(2);
        let mut verdicts = BTreeMap::from([("passed", 0), ("suppressed", 0)]);
        for number in 0..100 {
            let key = match limit.line(now, 1, about(&number.to_string()), String::new) {
                Verdict::Write => "passed",
                Verdict::Suppress => "suppressed",
            };
            verdicts.entry(key).and_modify(|count| *count += 1);
        }
        assert_eq!(
            verdicts,
            BTreeMap::from([("passed", 22), ("suppressed", 78)])
        );
        assert_eq!(limit.windows.len(), 3);
        limit.handle_timeout(now + WINDOW);
        assert_eq!((limit.windows.len(), limit.ends.len()), (0, 0));
    }

    #[test]
    fn an_object_has_the_shortest_clear_name() {
        let name = |router: Option<&str>, service: Option<&str>, server: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let object = Object {
                router: own(router),
                service: own(service),
                server: own(server),
                address: own(Some("192.0.2.21:80")),
            };
            object.name().unwrap()
        };
        assert_eq!(name(Some("web"), None, None), "web");
        assert_eq!(name(None, Some("shop"), None), "shop");
        assert_eq!(name(None, Some("shop"), Some("r1")), "r1 of shop");
        assert_eq!(name(None, None, None), "192.0.2.21:80");
        assert_eq!(Object::default().name(), None);
    }
}

//! The layer that suppresses lines of which there are too many, and the thread that tells how many they were.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::limit::{Limit, Object, Summary, Verdict};
use crate::clock;

/// A place in the program that writes lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: &'static str,
    line: u32,
    level: Level,
}

/// The limit, shared by all threads.
#[derive(Debug, Clone)]
pub(super) struct Limited(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: Mutex<Limit<Place>>,
    /// Something is to be told, now or when a window ends.
    news: Condvar,
    /// There is a thread that tells it. Written under the lock.
    told: AtomicBool,
}

impl Limited {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            limit: Mutex::new(Limit::new()),
            news: Condvar::new(),
            told: AtomicBool::new(false),
        }))
    }

    /// Has a thread tell what was suppressed: a line cannot be written while another one is. Most processes never need it.
    /// To be called under the lock of the limit, so that no thread ends just then.
    fn tell_in_background(&self) {
        let shared = &self.0;
        shared.news.notify_one();
        if shared.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        let thread = thread::Builder::new().name("log".to_owned());
        let started = thread.spawn(move || {
            while let Some(ended) = shared.wait() {
                ended.iter().for_each(tell);
            }
        });
        if started.is_err() {
            // It is tried again with the next.
            self.0.told.store(false, Ordering::Relaxed);
        }
    }

    /// Tells what is due.
    #[cfg(test)]
    pub(super) fn tell_at(&self, now: std::time::Instant) {
        let mut limit = self.0.limit();
        limit.handle_timeout(now);
        let ended = limit.take_ended();
        drop(limit);
        ended.iter().for_each(tell);
    }
}

impl Shared {
    fn limit(&self) -> MutexGuard<'_, Limit<Place>> {
        // A panic elsewhere leaves nothing half counted here.
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is to be told. `None`: nothing is in sight, and the thread that asks is to end.
    fn wait(&self) -> Option<Vec<Summary<Place>>> {
        let mut limit = self.limit();
        loop {
            limit.handle_timeout(clock::now());
            let ended = limit.take_ended();
            if !ended.is_empty() {
                return Some(ended);
            }
            let Some(at) = limit.poll_timeout() else {
                self.told.store(false, Ordering::Relaxed);
                return None;
            };
            let left = at.saturating_duration_since(clock::now());
            let waited = self.news.wait_timeout(limit, left);
            limit = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<S: Subscriber> Layer<S> for Limited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let ours = metadata.target().starts_with("locum_") && metadata.target() != module_path!();
        let level = *metadata.level();
        if !ours || !(level == Level::WARN || level == Level::INFO) {
            return true;
        }
        let place = Place {
            file: metadata.file().unwrap_or_default(),
            line: metadata.line().unwrap_or_default(),
            level,
        };
        let mut about = About::default();
        event.record(&mut about);
        let mut limit = self.0.limit();
        let before = limit.poll_timeout();
        let text = || {
            let mut message = Message::default();
            event.record(&mut message);
            message.0
        };
        let verdict = limit.line(clock::now(), place, about.0, text);
        if limit.poll_timeout() != before {
            self.tell_in_background();
        }
        verdict == Verdict::Write
    }
}

/// Tells how many lines were suppressed. Its own lines are not counted.
fn tell(summary: &Summary<Place>) {
    let Summary {
        place,
        object,
        suppressed,
        last,
    } = summary;
    let (router, service) = (object.router.as_deref(), object.service.as_deref());
    let (server, address) = (object.server.as_deref(), object.address.as_deref());
    let of = object
        .name()
        .map_or_else(String::new, |name| format!(" of {name}"));
    if place.level == Level::WARN {
        warn!(
            router,
            service,
            server,
            address,
            suppressed,
            "… and {suppressed} more like it{of}, the last: {last}"
        );
    } else {
        info!(
            router,
            service,
            server,
            address,
            suppressed,
            "… and {suppressed} more like it{of}, the last: {last}"
        );
    }
}

/// Reads what a line is about.
#[derive(Debug, Default)]
struct About(Object);

impl About {
    fn take(&mut self, field: &Field, value: impl FnOnce() -> String) {
        let part = match field.name() {
            "router" => &mut self.0.router,
            "service" => &mut self.0.service,
            "server" => &mut self.0.server,
            "address" => &mut self.0.address,
            _ => return,
        };
        *part = Some(value());
    }
}

impl Visit for About {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, || value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, || format!("{value:?}"));
    }
}

/// Reads the text of a line.
#[derive(Debug, Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

//! Tells others what happens: programs, a FIFO, administrators by mail, and web servers. All of it is taken from the one
//! stream of events, and nothing of it holds up anything else.

mod counter;
mod dispatch;
mod fifo;
mod mail;
mod outbox;
mod queue;
mod scripts;
mod settings;
mod tls;
mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use self::counter::Counter;
pub use self::counter::Tally;
use self::queue::Queue;
use self::scripts::Scripts;
pub use self::settings::{
    Mail, MailTls, Notification, Rate, Secret, ServiceNotice, StateScripts, Topic, Webhook,
};
pub(crate) use self::tls::connector;
use crate::events::{Event, Item, Lost, Stream, Subscription};
use crate::programs::Programs;

/// So many records, events or requests wait for each who is told.
const WAITING: usize = 1000;

/// All who are told, as they run.
#[derive(Debug)]
pub(crate) struct Notifications {
    commands: mpsc::UnboundedSender<Command>,
    desk: JoinHandle<()>,
    counters: Counters,
}

/// What was delivered, by who is told.
type Counters = Arc<Mutex<BTreeMap<String, Arc<Counter>>>>;

#[derive(Debug)]
enum Command {
    Finish(Duration),
    Replace(Box<Notification>),
}

impl Notifications {
    /// Tells what `stream` has and gets, on the current runtime; `name` is what this director is called.
    pub(crate) fn start(
        name: &str,
        settings: Notification,
        programs: Programs,
        stream: &Stream,
    ) -> Self {
        let counters = Counters::default();
        let (commands, orders) = mpsc::unbounded_channel();
        let mut desk = Desk::new(name, programs, Arc::clone(&counters));
        desk.replace(settings);
        let desk = tokio::spawn(desk.live(stream.subscribe(0), orders));
        Self {
            commands,
            desk,
            counters,
        }
    }

    /// Takes other settings for what happens from now on. What waits for somebody who is still told goes on waiting.
    pub(crate) fn replace(&self, settings: Notification) {
        // It lives as long as its sender.
        let _ = self.commands.send(Command::Replace(Box::new(settings)));
    }

    /// Tells what has happened until now, but does not go on with that for longer than `bound`.
    pub(crate) async fn finish(self, bound: Duration) {
        let _ = self.commands.send(Command::Finish(bound));
        if let Err(error) = self.desk.await {
            warn!(%error, "notifications ended early");
        }
    }

    /// What was delivered until now, by who is told: `scripts`, `fifo`, `mail`, or the address of a web server.
    pub(crate) fn tallies(&self) -> BTreeMap<String, Tally> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let tallies = counters.iter();
        tallies
            .map(|(name, counter)| (name.clone(), counter.tally()))
            .collect()
    }
}

/// Somebody who is told one thing after the other, by a task of its own.
#[derive(Debug)]
struct Channel<S, T> {
    settings: watch::Sender<S>,
    queue: Arc<Queue<T>>,
    counter: Arc<Counter>,
}

impl<S, T> Drop for Channel<S, T> {
    fn drop(&mut self) {
        // The task tells what waits, and ends.
        self.queue.close();
    }
}

impl<S, T> Channel<S, T> {
    fn push(&self, item: T) {
        if self.queue.push(item).is_some() {
            self.counter.dropped(1);
        }
    }
}

/// What a task of a [`Channel`] has of it.
#[derive(Debug)]
struct End<S, T> {
    settings: watch::Receiver<S>,
    queue: Arc<Queue<T>>,
    counter: Arc<Counter>,
}

fn channel<S, T>(settings: S, counter: Arc<Counter>) -> (Channel<S, T>, End<S, T>) {
    let queue = Arc::new(Queue::new(WAITING));
    let (sender, receiver) = watch::channel(settings);
    let end = End {
        settings: receiver,
        queue: Arc::clone(&queue),
        counter: Arc::clone(&counter),
    };
    let channel = Channel {
        settings: sender,
        queue,
        counter,
    };
    (channel, end)
}

/// Hands what happens to everybody who is to be told.
struct Desk {
    name: Arc<str>,
    settings: Notification,
    scripts: Scripts,
    fifo: Option<Channel<PathBuf, String>>,
    mail: Option<Channel<Mail, Arc<Event>>>,
    webhooks: BTreeMap<String, Channel<Webhook, Arc<Event>>>,
    tasks: JoinSet<()>,
    counters: Counters,
}

impl Desk {
    fn new(name: &str, programs: Programs, counters: Counters) -> Self {
        let scripts = Scripts::new(programs, counter(&counters, "scripts"));
        Self {
            name: name.into(),
            settings: Notification::default(),
            scripts,
            fifo: None,
            mail: None,
            webhooks: BTreeMap::new(),
            tasks: JoinSet::new(),
            counters,
        }
    }

    async fn live(
        mut self,
        mut events: Subscription,
        mut orders: mpsc::UnboundedReceiver<Command>,
    ) {
        loop {
            tokio::select! {
                item = events.next() => self.tell(item),
                order = orders.recv() => {
                    // What came before it is told as it was configured then.
                    while let Some(item) = events.try_next() {
                        self.tell(item);
                    }
                    match order {
                        Some(Command::Replace(settings)) => self.replace(*settings),
                        Some(Command::Finish(bound)) => return self.finish(bound).await,
                        None => return,
                    }
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    fn tell(&self, item: Item) {
        let event = match item {
            Item::Event(event) => event,
            Item::Lost(Lost { from, to }) => {
                warn!("nobody is told of the events #{from} to #{to}: there were too many at once");
                return;
            }
        };
        for delivery in dispatch::scripts(&self.settings, &event.what) {
            self.scripts.tell(delivery);
        }
        if let Some(fifo) = &self.fifo {
            for record in dispatch::records(&self.settings, &event.what) {
                fifo.push(record);
            }
        }
        let topic = Topic::of(&event.what);
        if let Some(mail) = &self.mail
            && mail.settings.borrow().events.contains(&topic)
            && dispatch::is_news(&event.what)
        {
            mail.push(Arc::clone(&event));
        }
        for webhook in self.webhooks.values() {
            if webhook.settings.borrow().events.contains(&topic) {
                webhook.push(Arc::clone(&event));
            }
        }
    }

    fn replace(&mut self, mut settings: Notification) {
        let fifo = settings.fifo.clone();
        if self
            .fifo
            .as_ref()
            .map(|fifo| fifo.settings.borrow().clone())
            != fifo
        {
            self.fifo = fifo.map(|path| {
                let (channel, end) = channel(path, counter(&self.counters, "fifo"));
                self.tasks.spawn(fifo::run(end));
                channel
            });
        }
        match (&self.mail, settings.mail.take()) {
            (_, None) => self.mail = None,
            (Some(mail), Some(settings)) => {
                mail.settings.send_replace(settings);
            }
            (None, Some(settings)) => {
                let (channel, end) = channel(settings, counter(&self.counters, "mail"));
                self.tasks.spawn(mail::run(Arc::clone(&self.name), end));
                self.mail = Some(channel);
            }
        }
        let mut before = std::mem::take(&mut self.webhooks);
        for webhook in settings.webhooks.drain(..) {
            let url = webhook.url.to_string();
            let channel = match before.remove(&url) {
                Some(channel) => {
                    channel.settings.send_replace(webhook);
                    channel
                }
                None => {
                    let (channel, end) = channel(webhook, counter(&self.counters, &url));
                    self.tasks.spawn(webhook::run(end, webhook::BACKOFF));
                    channel
                }
            };
            self.webhooks.insert(url, channel);
        }
        self.settings = settings;
    }

    async fn finish(self, bound: Duration) {
        let Self {
            scripts,
            fifo,
            mail,
            webhooks,
            mut tasks,
            ..
        } = self;
        drop((fifo, mail, webhooks));
        let told = async {
            scripts.finished().await;
            while tasks.join_next().await.is_some() {}
        };
        if timeout(bound, told).await.is_err() {
            warn!("not everybody could be told of everything within {bound:?}");
        }
    }
}

/// What is counted for `name`, which goes on when somebody is told again after a while.
fn counter(counters: &Counters, name: &str) -> Arc<Counter> {
    let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(counters.entry(name.to_owned()).or_default())
}

#[cfg(test)]
mod tests;

//! The checker side: it checks the servers and keeps the kernel's IPVS table. It runs on threads of its own and shares
//! nothing with the side of the virtual routers but [`message`]s.

mod errand;
mod keeper;
mod ledger;
mod message;
mod notice;
mod probes;
mod record;
mod roles;
mod side;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use self::message::{Notice, Order};
pub(crate) use self::record::Record;
use crate::config::Source;
use crate::site::Site;
use crate::status::SiteReport;

/// Whoever asks for the status does not wait longer for the part of the checker side.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);

/// What the checker side is told at the start.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) site: Site,
    /// Where what must survive a crash is kept.
    pub(crate) state_directory: PathBuf,
    /// What this director is called: it makes the checks of each fall on other moments.
    pub(crate) name: String,
}

/// A running checker side. Dropped, it ends as if stopped.
#[derive(Debug)]
pub(crate) struct Checker {
    orders: mpsc::UnboundedSender<Order>,
    asked: Asked,
    asking: AtomicU64,
    ready: watch::Receiver<bool>,
}

/// Who waits for which report.
type Asked = Arc<Mutex<BTreeMap<u64, oneshot::Sender<SiteReport>>>>;

impl Checker {
    /// Starts it.
    pub(crate) fn start(options: Options) -> io::Result<Self> {
        let (orders, queue) = mpsc::unbounded_channel();
        let (notices, heard) = mpsc::unbounded_channel();
        thread::Builder::new()
            .name("checks".to_owned())
            .spawn(move || side::run(options, queue, notices))?;
        let (ready, is_ready) = watch::channel(false);
        let asked = Asked::default();
        tokio::spawn(listen(heard, ready, Arc::clone(&asked)));
        Ok(Self {
            orders,
            asked,
            asking: AtomicU64::new(0),
            ready: is_ready,
        })
    }

    /// Waits until virtual routers may become master; also if it ends before.
    pub(crate) async fn ready(&self) {
        // An error is that it has ended: then there is nothing to wait for.
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    /// Tells which virtual routers are master.
    pub(crate) fn masters(&self, masters: BTreeMap<String, bool>) {
        let _ = self.orders.send(Order::Masters(masters));
    }

    /// Has it take the virtual services of another configuration.
    pub(crate) fn configure(&self, source: Source) {
        let _ = self.orders.send(Order::Configure(source));
    }

    /// What it has to tell; `None` if it does not answer in time.
    pub(crate) async fn report(&self) -> Option<SiteReport> {
        let number = self.asking.fetch_add(1, Ordering::Relaxed);
        let (answer, report) = oneshot::channel();
        lock(&self.asked).insert(number, answer);
        let _ = self.orders.send(Order::Report(number));
        let report = tokio::time::timeout(REPORT_PATIENCE, report).await;
        lock(&self.asked).remove(&number);
        report.ok()?.ok()
    }

    /// Stops the daemons, deals with the table as configured, and ends it.
    pub(crate) async fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
        // Its end of the channel goes with it.
        let mut ready = self.ready.clone();
        while ready.changed().await.is_ok() {}
    }
}

/// Hands on what the checker side tells, for as long as it lives.
async fn listen(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    ready: watch::Sender<bool>,
    asked: Asked,
) {
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Ready => {
                ready.send_replace(true);
            }
            Notice::Committed { .. }
            | Notice::Happened(_)
            | Notice::Hello(_)
            | Notice::Prepared { .. } => {}
            Notice::Report(number, report) => {
                if let Some(answer) = lock(&asked).remove(&number) {
                    let _ = answer.send(*report);
                }
            }
        }
    }
    lock(&asked).clear();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half written here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
